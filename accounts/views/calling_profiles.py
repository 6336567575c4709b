from dataclasses import asdict

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.viewsets import WorkspaceViewSet
from accounts.calling_profiles import NOTICE, PROFILES
from accounts.models import Workspace
from accounts.roles import Role
from accounts.serializers.calling_profiles import CallingProfileSerializer


class CallingProfileViewSet(WorkspaceViewSet):
    """Ready-made limits of some countries, each rule with its source. No legal advice."""

    model = Workspace
    serializer_class = CallingProfileSerializer
    required_roles = {"list": Role.MEMBER}

    def list(self, request: Request) -> Response:
        """Profiles that a workspace may set as its `calling_profile`."""
        page = self.paginate_queryset(list(PROFILES.values()))
        profiles = [{"notice": NOTICE, **asdict(profile)} for profile in page or ()]
        return self.get_paginated_response(CallingProfileSerializer(profiles, many=True).data)
