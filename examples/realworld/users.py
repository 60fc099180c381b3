"""Users: registration, sign-in, and one's own account."""

from typing import Any, Literal

from accounts import hash_password, is_password, signed_in
from concern import Concern
from database import User
from schemas import (
    LoginRequest,
    NewUserRequest,
    UserChangesRequest,
    UserOut,
    UserResponse,
)
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from tokens import new_token

from micropie import HTTPError, route
from micropie_openapi import describe

TAKEN = HTTPError(409, "the username or the email is taken")


class Users(Concern):
    @route.post("/users")
    @describe(tags=["Users"])
    async def register(self, new: NewUserRequest) -> tuple[Literal[201], UserResponse]:
        """Sign up.

        Raises:
            HTTPError: 409, the name or the email is taken.
        """
        fields = new.user
        user = User(username=fields.username, email=fields.email)
        user.password_hash = await hash_password(fields.password)
        return 201, await self._stored(user)

    @route.post("/users/login")
    @describe(tags=["Users"])
    async def login(self, login: LoginRequest) -> UserResponse:
        """Get a token.

        Raises:
            HTTPError: 401, the email or the password is wrong.
        """
        async with self._begin() as db:
            query = select(User).where(User.email == login.user.email)
            user = await db.scalar(query)
        # Between two sessions: the password takes long, and a connection is for others meanwhile.
        if not await is_password(login.user.password, user and user.password_hash):
            raise HTTPError(401, "the email or the password is wrong")
        return _response(user)

    @route.get("/user")
    @signed_in
    async def current_user(self) -> UserResponse:
        """Return one's own account."""
        async with self._begin() as db:
            return _response(await self._me(db))

    @route.put("/user")
    @signed_in
    async def change_user(self, changes: UserChangesRequest) -> UserResponse:
        """Change one's own account.

        Raises:
            HTTPError: 409, the name or the email is taken.
        """
        fields: dict[str, Any] = changes.user.model_dump(exclude_none=True)
        if "password" in fields:
            fields["password_hash"] = await hash_password(fields.pop("password"))
        async with self._begin() as db:
            user = await self._me(db)
        for name, value in fields.items():
            setattr(user, name, value)
        return await self._stored(user)

    async def _stored(self, user: User) -> UserResponse:
        try:
            async with self._begin() as db:
                db.add(user)
        except IntegrityError:
            raise TAKEN from None
        return _response(user)


def _response(user: User) -> UserResponse:
    return UserResponse(
        user=UserOut(
            email=user.email,
            token=new_token(user.id),
            username=user.username,
            bio=user.bio,
            image=user.image,
        )
    )
