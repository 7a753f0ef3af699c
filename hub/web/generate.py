"""Writes what is made from the code: JSON schemas of the objects (`python -m hub.web.generate`)."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from hub.web import command_objects, hub_objects, objects, plan_objects

FOLDER = Path("docs/reference/json")

SCHEMAS: Mapping[str, type[BaseModel]] = {
    "booking": objects.BookingObject,
    "booking_link": command_objects.LinkObject,
    "booking_live": command_objects.LiveObject,
    "cancel_range": command_objects.RangeObject,
    "command": command_objects.CommandObject,
    "contact": objects.ContactObject,
    "delivery": objects.DeliveryObject,
    "event": objects.EventObject,
    "free_time": command_objects.FreeTimeObject,
    "inbox_receipt": objects.ReceiptObject,
    "issue": hub_objects.IssueObject,
    "operation": hub_objects.OperationObject,
    "plan_counts": plan_objects.PlanObject,
    "plan_item": plan_objects.PlanItemObject,
    "prepared": hub_objects.PreparedObject,
    "problem": objects.ProblemObject,
    "projection": hub_objects.ProjectionObject,
    "sink": hub_objects.SinkObject,
    "slot": hub_objects.SlotObject,
    "source": hub_objects.SourceObject,
    "status": hub_objects.StatusObject,
    "token": hub_objects.TokenObject,
    "why": objects.StoryObject,
}


def files() -> dict[str, str]:
    """File name to content, of everything generated here."""
    return {
        f"{name}.schema.json": json.dumps(_schema(model), indent=2, ensure_ascii=False) + "\n"
        for name, model in SCHEMAS.items()
    }


def write(folder: Path = FOLDER) -> None:
    """Bring the folder up to date."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (folder / name).write_text(content, encoding="utf-8")


def _schema(model: type[BaseModel]) -> dict[str, object]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | model.model_json_schema(
        mode="serialization", by_alias=True
    )


if __name__ == "__main__":
    write(*map(Path, sys.argv[1:2]))
