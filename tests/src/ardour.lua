-- Controls Ardour: reads Lua line by line, runs it, and answers with a line that begins with "=> " and
-- the number of the line.
-- Runs in Ardour's `luasession`; written for Ardour 7.

-- Only the tests connect tracks.
local config = ARDOUR.config()
config:set_input_auto_connect(ARDOUR.AutoConnectOption.ManualConnect)
config:set_output_auto_connect(ARDOUR.AutoConnectOption.ManualConnect)

local CENTRE = ARDOUR.PresentationInfo.max_order

local function session()
	return assert(Session, "no session is open")
end

local function insert_of(track)
	local route = session():route_by_name(track)
	assert(not route:isnil(), "no track " .. track)
	local insert = route:nth_plugin(0)
	assert(not insert:isnil(), "no plugin on track " .. track)
	return insert
end

-- Index of a parameter in Ardour.
local function number_of(insert, label)
	local plugin = insert:to_insert():plugin(0)
	for n = 0, plugin:parameter_count() - 1 do
		if plugin:parameter_label(n) == label then return n end
	end
	error("no parameter " .. label)
end

function create(folder, name, rate)
	AudioEngine:set_backend("JACK", "Ardour", "")
	assert(AudioEngine:start(false) == 0, "the engine does not start")
	assert(create_session(folder, name, rate), "no session was made")
	return Session:name()
end

function open(folder, name)
	assert(load_session(folder, name), "the session was not loaded")
	return Session:name()
end

function save()
	assert(session():save_state("", false, false, false, false, false) == 0, "not saved")
end

function close()
	collectgarbage()
	close_session()
end

-- A track with a plugin in the state of a preset. With two outputs it has strict i/o, which drops further outputs of
-- the plugin. Otherwise it has all outputs of the plugin.
function track(name, plugin, preset, outputs)
	local made = session():new_audio_track(2, 2, nil, 1, name, CENTRE, ARDOUR.TrackMode.Normal, false):front()
	made:set_strict_io(outputs == 2)
	made:monitoring_control():set_value(ARDOUR.MonitorChoice.MonitorInput, PBD.GroupControlDisposition.NoGroup)
	local insert = ARDOUR.LuaAPI.new_plugin(session(), plugin, ARDOUR.PluginType.VST3, preset)
	assert(not insert:isnil(), "Ardour does not know the plugin")
	assert(made:add_processor_by_index(insert, 0, nil, true) == 0, "the plugin was not inserted")
	-- The panner would spread the musicians over all outputs.
	if outputs > 2 then made:panner_shell():set_bypassed(true) end
	return made:n_outputs():n_audio()
end

-- Value, 0 to 1.
function set(track, label, value)
	local insert = insert_of(track)
	assert(ARDOUR.LuaAPI.set_processor_param(insert, number_of(insert, label), value), "not set")
end

function get(track, label)
	local insert = insert_of(track)
	return ARDOUR.LuaAPI.get_processor_param(insert, number_of(insert, label), true)
end

local number = 0
for line in io.lines() do
	number = number + 1
	local run, wrong = load("return " .. line)
	local well, answer = false, wrong
	if run then well, answer = pcall(run) end
	collectgarbage()
	io.stdout:write("\n=> ", number, " ", well and "ok " or "failed ", tostring(answer), "\n")
	io.stdout:flush()
end
