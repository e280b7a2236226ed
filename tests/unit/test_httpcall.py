"""HTTP answers: the status that goes with each error."""

import json

import pytest

from models.errors import Code, IMError
from proto import im_pb2
from web.httpcall import STATUS, respond


@pytest.mark.parametrize("code", Code)
def test_every_error_has_a_status(code: Code) -> None:
    # When a JSON caller is refused
    reply = im_pb2.Reply(error=IMError(code, "why").to_proto())
    response = respond(reply, as_json=True)

    # Then
    assert response.status_code == STATUS[code]
    assert 400 <= response.status_code < 600
    assert json.loads(response.get_data())["error"]["name"] == code.name
