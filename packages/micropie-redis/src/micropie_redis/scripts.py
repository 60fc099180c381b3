"""Lua scripts, which Redis runs atomically: each on the single key of one session."""

import hashlib
from typing import Any

from redis.exceptions import NoScriptError

from micropie_redis.commands import Commands


class Script:
    """A Lua script, sent by its hash, and in full only to a server that has not cached it.

    Not redis-py's `register_script`: in a cluster that loads a missing script into every node,
    so one dead node would fail the sessions on all others.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def run(self, commands: Commands, key: str, *args: bytes | int) -> Any:
        """Return the script's result."""
        try:
            return await commands.execute("EVALSHA", self._sha, 1, key, *args)
        except NoScriptError:
            # EVAL caches the script too.
            return await commands.execute("EVAL", self._source, 1, key, *args)


# Reads a session as one JSON object, since its values are JSON already. A reply of many small
# strings costs the client several times as much to parse.
_READ = """
local fields = redis.call('HGETALL', KEYS[1])
if #fields == 0 then
  return
end
local members = {}
for n = 1, #fields, 2 do
  members[#members + 1] = cjson.encode(fields[n]) .. ':' .. fields[n + 1]
end
local session = '{' .. table.concat(members, ',') .. '}'
"""

# -> [session, milliseconds left] in JSON; nil if the session does not exist.
LOAD = Script(_READ + "return '[' .. session .. ',' .. redis.call('PTTL', KEYS[1]) .. ']'")

# -> session in JSON; nil if it did not exist.
TAKE = Script(_READ + "redis.call('DEL', KEYS[1]) return session")

# Lua's unpack() fails at some 8,000 values, so fields go in blocks of 1,000 arguments.
#
# A full Redis (maxmemory, no eviction) refuses a script's first write if it takes memory, but not
# those after it. HSET comes first, so that a script is refused as a whole or runs to its end.

# milliseconds, field, value, ...
SAVE = Script("""
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('DEL', KEYS[1])
end
for first = 2, #ARGV, 1000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
""")

# milliseconds, number of fields to remove, those, field, value, ... -> 1; 0 without a session.
# Redis deletes a hash with its last field, and PEXPIRE ignores a missing key.
MERGE = Script("""
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
local removed = 2 + ARGV[2]
for first = removed + 1, #ARGV, 1000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
for first = 3, removed, 1000 do
  redis.call('HDEL', KEYS[1], unpack(ARGV, first, math.min(first + 999, removed)))
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
""")
