"""The groups that a worker may run, with what their handlers need, from its settings. An edge loads none of them."""

from collections.abc import Callable
from urllib.parse import parse_qs, unquote, urlsplit

from broker.groups import OrderedGroup, UnorderedGroup
from broker.topology import GROUPS
from handlers.carts import CARTS
from handlers.catalog import CATALOG
from handlers.notifications import FolderMailer, Mailer, SmtpMailer, notifications
from handlers.orders import ORDERS
from handlers.payments import SimulatedGateway, payments
from handlers.shipments import SHIPMENTS
from ops.database import Database
from ops.settings import SettingMissing, Settings, secret

SMTP_PORTS = {"smtp": 25, "smtps": 465}


def groups(
    names: tuple[str, ...], settings: Settings, database: Database
) -> list[OrderedGroup | UnorderedGroup]:
    """The groups of those names, all of them when none is named. Raises `SettingMissing` for an unknown name."""
    known = [group.name for group in GROUPS]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SettingMissing(f"no group is called {', '.join(unknown)}: there are {', '.join(known)}")
    made: dict[str, Callable[[], OrderedGroup | UnorderedGroup]] = {
        "catalog": lambda: CATALOG,
        "carts": lambda: CARTS,
        "orders": lambda: ORDERS,
        "payments": lambda: payments(SimulatedGateway(database)),
        "shipments": lambda: SHIPMENTS,
        "notifications": lambda: notifications(
            mailer(settings), shop_url(settings), sender=settings.mail_from
        ),
    }
    return [made[name]() for name in names or known]


def shop_url(settings: Settings) -> str:
    """The address that mails link to."""
    return settings.shop_url or f"http://{settings.host}:{settings.port}"


def mailer(settings: Settings) -> Mailer:
    """SMTP where a server is named, else a folder of .eml files."""
    url = secret(settings.smtp_url)
    if url is None:
        return FolderMailer(settings.data / "mail")
    parts = urlsplit(url)
    if parts.scheme not in SMTP_PORTS or not parts.hostname:
        raise SettingMissing(
            f"QUIRE_SMTP_URL is smtp://… or smtps://user:password@host:port, not {parts.scheme}://"
        )
    # Upgraded where the server offers it, unless `?starttls=true` insists (RFC 3207) or smtps speaks TLS at once.
    insists = parse_qs(parts.query).get("starttls", [""])[0] == "true"
    return SmtpMailer(
        parts.hostname,
        parts.port or SMTP_PORTS[parts.scheme],
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        use_tls=parts.scheme == "smtps",
        start_tls=True if insists else None,
    )
