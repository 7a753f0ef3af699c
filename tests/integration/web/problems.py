"""The form that every problem of the API has."""

from typing import Any

import httpx

PROBLEM_KEYS = {"type", "title", "status", "detail", "code", "next", "request_id"}


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert set(problem) >= PROBLEM_KEYS
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem
