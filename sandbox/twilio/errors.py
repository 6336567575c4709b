"""Twilio's errors: an HTTP status, Twilio's own code, and a message."""

import orjson
from aiohttp import web


class TwilioError(Exception):
    """An error that becomes a JSON response."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def response(self) -> web.Response:
        body = {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return web.Response(
            status=self.status, body=orjson.dumps(body), content_type="application/json"
        )


def not_found(path: str) -> TwilioError:
    return TwilioError(404, 20404, f"The requested resource {path} was not found")


def missing_parameter(name: str) -> TwilioError:
    return TwilioError(400, 20001, f"Missing required parameter {name} in the post body")


def invalid_parameter(name: str, why: str) -> TwilioError:
    return TwilioError(400, 20001, f"Invalid parameter {name}: {why}")
