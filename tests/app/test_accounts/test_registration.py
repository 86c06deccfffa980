"""Registration over HTTP: what makes an account, and what does not."""

import asyncio
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from app.security.accounts import Accounts, create_user
from app.security.passwords import Passwords
from documents.accounts import (
    EmailTaken,
    InvalidField,
    User,
)
from tests.app.test_accounts.acts import ADA, Client, bearer, problem, register, sign_in


async def test_a_shopper_registers_signs_in_and_reads_the_profile(client: Client) -> None:
    """A new account is an unverified shopper that can sign in at once, with any spelling of its address."""
    user = await register(client)
    assert user["email"] == "Ada@example.com"
    assert user["roles"] == ["shopper"]
    assert user["verified"] is False
    tokens = await sign_in(client, email="ADA@EXAMPLE.COM")
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 900
    response = await client.get("/v1/users/me", headers=bearer(tokens))
    assert response.json() == user
    assert response.headers["etag"] == f'"{user["rev"]}"'


async def test_no_answer_shows_a_password_or_its_hash(client: Client) -> None:
    """What an account knows of its password stays inside."""
    user = await register(client)
    assert "password" not in str(user)
    stored = await User.get(user["id"])
    assert stored is not None
    assert stored.password_hash is not None
    assert stored.password_hash.startswith("$argon2id$")
    assert stored.password_hash not in repr(stored)


async def test_an_address_belongs_to_one_account(client: Client) -> None:
    """A second registration with another spelling of the same address is 409 email_taken."""
    await register(client)
    problem(await client.post("/v1/users", json=ADA | {"email": "ada@EXAMPLE.com"}), 409, "email_taken")


async def test_of_many_registrations_at_once_one_is_made(client: Client) -> None:
    """Simultaneous registrations of one address: one 201, the rest 409, one document."""
    answers = await asyncio.gather(*(client.post("/v1/users", json=ADA) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert await User.find_all().count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody"),
        ("email", "a@localhost"),
        ("email", "a" * 300 + "@example.com"),
        ("password", "short"),
        ("password", "x" * 129),
        ("password", "x" * 5000),
        ("password", "ada@example.com"),
        ("name", "   "),
        ("name", "x" * 101),
        ("name", "Ada\nBcc: everybody"),
    ],
)
async def test_a_registration_names_the_field_that_is_wrong(client: Client, field: str, value: str) -> None:
    """A field that cannot be what it should is 422 invalid_input with its name, and makes no account."""
    body = problem(await client.post("/v1/users", json=ADA | {field: value}), 422, "invalid_input")
    assert field in str(body["errors"])
    assert "x" * 20 not in str(body)
    assert await User.find_all().count() == 0


async def test_nobody_registers_as_staff(client: Client) -> None:
    """A field that is not asked for is refused rather than ignored: roles cannot be slipped in."""
    problem(await client.post("/v1/users", json=ADA | {"roles": ["staff"]}), 422, "invalid_input")


async def test_too_many_passwords_at_once_are_told_to_come_back(
    mongo_database: AsyncDatabase[dict[str, Any]], client: Client, accounts: Accounts
) -> None:
    """With no room left a registration is 503 with Retry-After, and no account is made."""
    accounts._passwords = Passwords(memory_kib=8, passes=1, threads=1, waiting_max=0)
    accounts._passwords._room.acquire()
    refused = await client.post("/v1/users", json=ADA)
    problem(refused, 503, "unavailable")
    assert int(refused.headers["retry-after"]) >= 1
    assert await mongo_database["users"].count_documents({}) == 0


async def test_create_user_makes_staff(client: Client, accounts: Accounts) -> None:
    """The command line's way to an account: roles as given, unknown ones and taken addresses refused."""
    passwords = Passwords(memory_kib=8, passes=1)
    user = await create_user(
        "boss@example.com", "Boss", "correct horse battery", ("staff",), passwords=passwords
    )
    tokens = await sign_in(client, email="boss@example.com")
    assert accounts.tokens.read_access(tokens["access_token"]).roles == ("staff",)
    assert (await accounts.user(user.id)).created_at.tzinfo is not None
    with pytest.raises(EmailTaken):
        await create_user(
            "BOSS@example.com", "Boss", "correct horse battery", ("staff",), passwords=passwords
        )
    with pytest.raises(InvalidField, match="roles"):
        await create_user("b@example.com", "B", "correct horse battery", ("king",), passwords=passwords)
    passwords.close()
