"""`herald mail`: what was sent to subscribers, and through which server."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.table import Table

from server.commands.shell import DatabaseOption, TenantOption, for_installation, for_tenant, group, out, say

mail = group("Subscribers' mail: what was sent, and through which server.")


@mail.command("status")
def mail_status(tenant: TenantOption, database: DatabaseOption = None) -> None:
    """How many mails were sent, wait or failed, and the newest that failed."""
    from server.mail.overview import overview

    found = for_tenant(database, tenant, overview)
    say(f"Mail goes to {found.place}. Subscribers: {found.subscribers}.")
    if found.trouble:
        say(f"[red]The server takes nothing until {found.paused_until}:[/red] {found.trouble}")
    numbers = [f"{state} {number}" for state, number in found.mails.items()]
    numbers += [f"{number} addresses: {reason}" for reason, number in found.suppressed.items()]
    say(", ".join(numbers) or "No mail yet.")
    if found.failing:
        table = Table("mail", "to", "state", "attempts", "the server said")
        for failed in found.failing:
            table.add_row(
                failed["id"], failed["address"], failed["state"], str(failed["attempts"]), failed["reply"]
            )
        out.print(table)


@mail.command("retry")
def mail_retry(tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Try again now: mails that were given up, those that wait, and the tenant's server."""
    from server.mail.overview import retry

    say(f"{for_tenant(database, tenant, retry)} mails are tried again.")


@mail.command("test")
def mail_test(
    address: Annotated[str, typer.Argument(help="Where to.")],
    tenant: TenantOption,
    database: DatabaseOption = None,
) -> None:
    """Send a mail at once and show what the server says."""
    from server.mail.overview import send_test

    say(f"Sent: {for_tenant(database, tenant, lambda context: send_test(context, address))}")


@mail.command("channel")
def mail_channel(
    tenant: TenantOption,
    host: Annotated[str, typer.Option(help="The mail server.")],
    from_address: Annotated[str, typer.Option("--from", help="The address that mails come from.")],
    port: Annotated[int, typer.Option(help="Usually 587, or 465 with --tls tls.")] = 587,
    tls: Annotated[str, typer.Option(help="starttls, tls (from the start) or none.")] = "starttls",
    user: Annotated[str | None, typer.Option(help="To sign in with; the password is asked for.")] = None,
    name: Annotated[str | None, typer.Option(help="The name that mails come from; the page's by default.")] = None,
    reply_to: Annotated[str | None, typer.Option(help="Where answers go.")] = None,
    connections: Annotated[int, typer.Option(help="How many at the same time.")] = 8,
    per_minute: Annotated[int | None, typer.Option(help="At most this many mails a minute.")] = None,
    bounces: Annotated[str | None, typer.Option(help="A domain whose mail goes to `herald mail ingest`.")] = None,
    database: DatabaseOption = None,
) -> None:
    """Send a tenant's mail through its own server."""
    from server.mail.channels import Channel, save_channel

    password = typer.prompt("Password", hide_input=True, err=True) if user else None
    channel = Channel.model_validate(
        {
            "host": host,
            "port": port,
            "tls": tls,
            "username": user,
            "from_address": from_address,
            "from_name": name,
            "reply_to": reply_to,
            "connections": connections,
            "per_minute": per_minute,
            "bounce_domain": bounces,
        }
    )
    for_tenant(database, tenant, lambda context: save_channel(context, channel, password))
    say("Saved. Try it with `herald mail test ADDRESS`.")


@mail.command("channel-remove")
def mail_channel_remove(tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Send a tenant's mail through the platform's server again."""
    from server.mail.channels import delete_channel

    for_tenant(database, tenant, delete_channel)
    say("Removed.")


@mail.command("ingest")
def mail_ingest(
    recipient: Annotated[
        str | None, typer.Option(help="The address it was delivered to, such as Postfix's ${recipient}.")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Read a bounce or a complaint from stdin: the command that the bounce domain's mail is piped to."""
    from server.mail.bounces import ingest

    raw = sys.stdin.buffer.read()
    say(for_installation(database, lambda app: ingest(app, raw, recipient)).value)


@mail.command("allow")
def mail_allow(
    address: Annotated[str, typer.Argument(help="An address that gets no mail.")],
    tenant: TenantOption,
    database: DatabaseOption = None,
) -> None:
    """Let an address be written to again after a bounce, a complaint or "never write to me again"."""
    from server.subscriptions import lift_suppression

    for_tenant(database, tenant, lambda context: lift_suppression(context, address))
    say(f"{address} may be written to again.")
