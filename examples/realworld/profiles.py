"""Profiles: what others see of a user, and whom one follows."""

from accounts import for_all, signed_in
from concern import Concern
from database import Follow, User
from queries import following, profile
from schemas import ProfileResponse
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from micropie import HTTPError, route


class Profiles(Concern):
    @route.get("/profiles/{username}")
    @for_all
    async def profile(self, username: str) -> ProfileResponse:
        """Return a profile.

        Args:
            username: whose.

        Raises:
            HTTPError: 404, there is no such user.
        """
        async with self._begin() as db:
            return await self._profile_response(db, username)

    @route.post("/profiles/{username}/follow")
    @signed_in
    async def follow(self, username: str) -> ProfileResponse:
        """Follow a user.

        Args:
            username: whom.

        Raises:
            HTTPError: 404, there is no such user.
        """
        async with self._begin() as db:
            me, other_id = await self._me(db), await self._id_of(db, username)
            await db.merge(Follow(follower_id=me.id, followed_id=other_id))
            await db.flush()
            return await self._profile_response(db, username)

    @route.delete("/profiles/{username}/follow")
    @signed_in
    async def unfollow(self, username: str) -> ProfileResponse:
        """No longer follow a user.

        Args:
            username: whom.

        Raises:
            HTTPError: 404, there is no such user.
        """
        async with self._begin() as db:
            me, other_id = await self._me(db), await self._id_of(db, username)
            mine = Follow.follower_id == me.id, Follow.followed_id == other_id
            await db.execute(delete(Follow).where(*mine))
            return await self._profile_response(db, username)

    async def _id_of(self, db: AsyncSession, username: str) -> int:
        user_id = await db.scalar(select(User.id).where(User.username == username))
        if user_id is None:
            raise HTTPError(404, "there is no such user")
        return user_id

    async def _profile_response(self, db: AsyncSession, username: str) -> ProfileResponse:
        columns = User.username, User.bio, User.image, following(self._reader_id)
        found = await db.execute(select(*columns).where(User.username == username))
        row = found.one_or_none()
        if row is None:
            raise HTTPError(404, "there is no such user")
        return ProfileResponse(profile=profile(row))
