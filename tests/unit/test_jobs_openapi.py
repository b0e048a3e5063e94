"""Both ways to submit a job are described, and what makes it repeatable."""

from __future__ import annotations

from gapless.serve.document.openapi import build_document


def test_a_job_is_a_form_or_json_with_urls() -> None:
    document = build_document()
    submit = document["paths"]["/v1/jobs"]["post"]
    content = submit["requestBody"]["content"]
    assert set(content) == {"multipart/form-data", "application/json"}
    name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    schema = document["components"]["schemas"][name]
    form = set(content["multipart/form-data"]["schema"]["properties"])
    assert set(schema["properties"]) == form - {"file"} | {"urls"}
    assert schema["required"] == ["urls"]
    assert all(field.get("description") for field in schema["properties"].values())
    (key,) = submit["parameters"]
    assert (key["name"], key["in"]) == ("Idempotency-Key", "header")
    assert "same job" in key["description"]
