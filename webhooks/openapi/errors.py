"""Errors about webhooks and their deliveries."""

from voiceops.api.error_codes import DocumentedError

PUBLIC_ADDRESS = "Give an https address with port 443 or 8443 that the internet can reach."
WEBHOOK_ERRORS = (
    DocumentedError(
        "webhook_not_found",
        404,
        "Webhook not found",
        "It does not exist, or belongs to another workspace.",
        "List `GET /webhooks`.",
    ),
    DocumentedError(
        "webhook_delivery_not_found",
        404,
        "Webhook delivery not found",
        "It does not exist, is another webhook's, or is older than 30 days.",
        "List `GET /webhooks/{id}/deliveries`.",
    ),
    DocumentedError(
        "webhook_disabled",
        400,
        "Webhook is disabled",
        "Nothing is sent to a webhook that was disabled, by a user or because it kept failing.",
        'Enable it: `PATCH /webhooks/{id}` with `{"enabled": true}`.',
    ),
    DocumentedError(
        "webhook_url_invalid",
        400,
        "Webhook URL is not valid",
        "The URL cannot be read.",
        PUBLIC_ADDRESS,
    ),
    DocumentedError(
        "webhook_url_has_credentials",
        400,
        "Webhook URL must not carry credentials",
        "The URL has a user name or a password.",
        "Leave them out: the signature shows who sends.",
    ),
    DocumentedError(
        "webhook_url_not_https",
        400,
        "Webhook URL must be an https address",
        "The URL does not begin with `https://`.",
        PUBLIC_ADDRESS,
    ),
    DocumentedError(
        "webhook_url_port",
        400,
        "Webhook URL must use port 443 or 8443",
        "The URL names another port.",
        PUBLIC_ADDRESS,
    ),
    DocumentedError(
        "webhook_url_not_public",
        400,
        "Webhook URL must be public",
        "The address is private, or that of a machine itself.",
        PUBLIC_ADDRESS,
    ),
)
