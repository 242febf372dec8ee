-- Limits of the candidate inside its server: CPU time by a timer whose signal ends the process, memory by address space.
-- What cannot be set here (a Lua without ffi) is bounded by the limits the server was started with.

local tonumber, pcall = tonumber, pcall
local found, ffi = pcall(P.engine.insecure.require, "ffi")
local open = P.engine.insecure.io.open

local ITIMER_PROF, RLIMIT_AS, PAGE = 2, 9, 4096
P.limits_hold = found

if found then
	ffi.cdef([[
		struct luagate_time { long s; long us; };
		struct luagate_timer { struct luagate_time interval; struct luagate_time value; };
		struct luagate_limit { unsigned long soft; unsigned long hard; };
		int setitimer(int which, const struct luagate_timer *value, void *old);
		int setrlimit(int resource, const struct luagate_limit *limit);
		int getrlimit(int resource, struct luagate_limit *limit);
	]])
end

local own, all -- limits as records made in advance: lifting one must not need memory
if found then
	own, all = ffi.new("struct luagate_limit"), ffi.new("struct luagate_limit")
	ffi.C.getrlimit(RLIMIT_AS, own)
	ffi.C.getrlimit(RLIMIT_AS, all)
	all.soft = all.hard
end

-- From now on the process may use this much CPU time; SIGPROF then ends it.
function P.limit_cpu(seconds)
	if not found then return end
	local timer = ffi.new("struct luagate_timer")
	timer.value.s, timer.value.us = seconds - seconds % 1, (seconds % 1) * 1e6
	ffi.C.setitimer(ITIMER_PROF, timer, nil)
end

-- From now on the process may map this many bytes more.
function P.limit_memory(bytes)
	if not found then return end
	local file = open("/proc/self/statm")
	local pages = file and tonumber(file:read("*n"))
	if file then file:close() end
	if not pages then return end
	own.soft = pages * PAGE + bytes
	ffi.C.setrlimit(RLIMIT_AS, own)
end

-- Gives back what the server was started with: the answer needs memory too. The collector must not step in before:
-- it allocates (to resize the table of strings), and an error here would be nobody's.
local collectgarbage, set_limit = collectgarbage, found and ffi.C.setrlimit
function P.unlimit_memory()
	if not found then return end
	collectgarbage("stop")
	set_limit(RLIMIT_AS, all)
	collectgarbage("restart")
end
