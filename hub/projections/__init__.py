"""From the log into tables: projections, delivery rows and the checkpoint, in one transaction per batch."""

from hub.projections.attendees import Attendees
from hub.projections.base import Projection
from hub.projections.bookings import Bookings
from hub.projections.contacts import Contacts
from hub.projections.provider_ids import ProviderIds
from hub.projections.timeline import Timeline

PROJECTIONS: tuple[Projection, ...] = (Timeline(), ProviderIds(), Bookings(), Attendees(), Contacts())
"""All projections in the order they are applied: contacts are folded from what the two before them wrote."""

VERSIONS = {projection.name: projection.version for projection in PROJECTIONS}
"""The code versions; a generation filled by other ones is rebuilt at the next start."""
