"""The company the stand-in begins with: hosts and meeting types as in the sample payloads, no bookings."""

from adapters.meetergo.simulated.state import Host, Key, Kind, State

PLATFORM_KEY = "ak_live:5b0f6f2e-3c1d-4f6a-9a51-7d2f0f3c8e10:made-up-key-of-the-stand-in"
PERSONAL_TOKEN = "rgo-made-up-token-of-the-stand-in-01"  # noqa: S105 - opens the stand-in only

MARA = "a4d1c7b2-91e0-4c53-8f0b-2b6f7c5d1e44"
DENIZ = "0c9e51d8-6a7f-4b28-b1de-93f2a7c0d615"
FIRST_TALK = "d27b9c40-58fe-4a1b-8c3d-6e0f1a2b3c4d"
OPEN_HOUR = "e8f3a1b6-2d47-4c90-9b75-1f4e6d8c0a2b"


def example_company(*, seed: int = 1) -> State:
    """Two hosts, of whom one is an admin, and a meeting type of every sort."""
    hosts = [
        Host(
            id=MARA,
            email="mara.lindqvist@studio.example",
            given_name="Mara",
            family_name="Lindqvist",
            slug="mara-lindqvist",
            picture="https://static.studio.example/team/mara.png",
            role="admin",
        ),
        Host(
            id=DENIZ,
            email="deniz.aksoy@studio.example",
            given_name="Deniz",
            family_name="Aksoy",
            slug="deniz-aksoy",
        ),
    ]
    keys = [Key(token=PLATFORM_KEY), Key(token=PERSONAL_TOKEN, owner=MARA)]
    return State(
        company_id="5b0f6f2e-3c1d-4f6a-9a51-7d2f0f3c8e10",
        company_slug="studio",
        seed=seed,
        hosts={host.id: host for host in hosts},
        kinds={kind.id: kind for kind in _kinds()},
        keys={key.token: key for key in keys},
    )


def _kinds() -> list[Kind]:
    return [
        Kind(
            id=FIRST_TALK,
            slug="erstgespraech",
            name="Erstgespräch",
            minutes=45,
            host_ids=(MARA,),
            metadata={"mandant": "nord", "kampagne": "herbst-2026"},
        ),
        Kind(
            id=OPEN_HOUR,
            slug="sprechstunde-gruppe",
            name="Offene Sprechstunde",
            minutes=60,
            host_ids=(DENIZ,),
            spots=6,
        ),
        Kind(
            id="3f7c2a90-1b4d-4e6f-8a21-9c0d1e2f3a4b",
            slug="vor-ort-beratung",
            name="Beratung vor Ort",
            minutes=60,
            host_ids=(MARA, DENIZ),
            channel="local",
            location="Werkstattgasse 4, 12345 Musterstadt",
            queue_id="7a1b2c3d-4e5f-4061-8273-849506a7b8c9",
        ),
        Kind(
            id="51a2b3c4-d5e6-4f70-8192-a3b4c5d6e7f8",
            slug="mit-bestaetigung",
            name="Gespräch nach Bestätigung",
            minutes=30,
            host_ids=(MARA,),
            confirmation="doubleOptIn",
        ),
        Kind(
            id="62b3c4d5-e6f7-4081-92a3-b4c5d6e7f809",
            slug="auf-anfrage",
            name="Gespräch auf Anfrage",
            minutes=30,
            host_ids=(DENIZ,),
            confirmation="requireHostConfirmation",
        ),
    ]
