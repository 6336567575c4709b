from django.contrib.admin.apps import AdminConfig


class ControlRoomConfig(AdminConfig):
    """Django's admin, on the site that has our own pages, too."""

    default_site = "ops.control.site.ControlRoomSite"
