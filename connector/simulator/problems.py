"""Refusals in the shape that the API gives them."""


class ApiProblem(Exception):  # noqa: N818 - a refusal is an answer, not a fault of the simulator
    """An answer of 4xx: `{"error": {"code", "message", "param", "type"}}`.

    Shape and codes: the vendor's page of error codes. `param` comes on validation only.
    """

    def __init__(self, status: int, code: str | None, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param

    def body(self) -> dict[str, object]:
        error: dict[str, object] = {}
        if self.code is not None:
            error["code"] = self.code
        error["message"] = self.message
        if self.param is not None:
            error["param"] = self.param
        error["type"] = "invalid_request_error"
        return {"error": error}


def bad_request(message: str) -> ApiProblem:
    return ApiProblem(400, "invalid_request_params", message)


def not_found(what: str) -> ApiProblem:
    """Unknown, deleted, or of an account that the key does not see: the API tells no difference."""
    return ApiProblem(404, "resource_missing", f"{what} not found")


def forbidden(message: str) -> ApiProblem:
    return ApiProblem(403, None, message)


def conflict(message: str) -> ApiProblem:
    return ApiProblem(409, "conflict", message)


def blank(param: str) -> ApiProblem:
    return ApiProblem(422, "parameter_blank", f"{_title(param)} can't be blank", param)


def not_allowed(param: str, message: str | None = None) -> ApiProblem:
    text = message or f"{_title(param)} is not included in the list"
    return ApiProblem(422, "parameter_inclusion", text, param)


def invalid(param: str, message: str) -> ApiProblem:
    """A value of the wrong form; the API has no code of its own for it, so the nearest one is used."""
    return ApiProblem(422, "parameter_inclusion", f"{_title(param)} {message}", param)


def taken(param: str) -> ApiProblem:
    return ApiProblem(422, "parameter_taken", f"{_title(param)} has already been taken", param)


def fixed(param: str) -> ApiProblem:
    return ApiProblem(422, "parameter_cannot_change", f"{_title(param)} cannot be changed", param)


def _title(param: str) -> str:
    return param.replace("_", " ").capitalize()
