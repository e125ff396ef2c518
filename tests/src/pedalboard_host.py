"""RTJam as VST3 in pedalboard (JUCE), which renders offline only: loading, state, buses, rates, the offline rule.

Usage: pedalboard_host.py RTJam.vst3 PRESET PRESET: what the presets of RTJam and of RTJam Multi hold turns the room down to
-3.25 dB and has a name of many letters. Ends with an exception where something is wrong.
"""

import sys

import numpy as np
from pedalboard import VST3Plugin, load_plugin

path, *presets = sys.argv[1:]
NAMES = ["RTJam", "RTJam Multi"]
assert sorted(VST3Plugin.get_plugin_names_for_file(path)) == NAMES

signal = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 20_000)).astype(np.float32)


def parameter(plugin, begin):
    return next(p for key, p in plugin.parameters.items() if key.startswith(begin))


def values(plugin):
    return {key: p.raw_value for key, p in plugin.parameters.items()}


for name, preset in zip(NAMES, presets):
    plugin = load_plugin(path, plugin_name=name)
    slots = [key for key in plugin.parameters if key.startswith("slot_")]
    assert len(slots) == 12 * (9 if name == "RTJam Multi" else 8), slots

    # One bus of two channels, at every rate and block: the own signal, to the last bit.
    for rate in [8_000, 22_050, 44_100, 48_000, 96_000, 192_000, 384_000]:
        for block in [1, 32, 333, 1024, 8192]:
            heard = plugin.process(signal[:, :4_000], rate, buffer_size=block, reset=False)
            assert np.array_equal(heard, signal[:, :4_000]), (name, rate, block)

    parameter(plugin, "send_mute").raw_value = 1.0
    parameter(plugin, "monitor").raw_value = 0.0
    heard = plugin.process(signal, 48_000, buffer_size=512, reset=False)
    assert not heard[:, 4_800:].any(), "offline, too, Monitor says how loud the own signal is"
    parameter(plugin, "monitor").raw_value = 60 / 72
    heard = plugin.process(signal, 48_000, buffer_size=512, reset=False)
    # The host's values are floats of 32 bits: 0 dB is not quite 0.
    assert np.abs(heard - signal)[:, 4_800:].max() < 1e-6, "at 0 dB it passes"

    # The preset says what it says, and is told to the host.
    plugin.load_preset(preset)
    room = parameter(plugin, "room_level").raw_value
    assert abs(room - (60 - 3.25) / 72) < 1e-6, room
    assert parameter(plugin, "send_mute").raw_value == 0.0

    state = plugin.raw_state
    other = load_plugin(path, plugin_name=name)
    other.raw_state = state
    other.process(signal[:, :512], 48_000, reset=False)
    assert values(other) == values(plugin)
    assert other.raw_state == state, "the state is another after it was loaded"

    many = [load_plugin(path, plugin_name=name) for _ in range(5)]
    for one in many:
        assert np.array_equal(one.process(signal, 44_100, reset=False), signal)
    print(name, len(plugin.parameters), "parameters, state of", len(state), "bytes")
print("ok")
