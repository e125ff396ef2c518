//! Scales of meters and faders: from decibels to a place between the bottom (0) and the top (1).

/// Marks of a meter, in dBFS.
pub const MARKS: [f32; 6] = [0.0, -6.0, -12.0, -20.0, -30.0, -45.0];

/// Lowest level of a meter, in dBFS.
pub const METER_FLOOR: f32 = -60.0;

/// (dB, place) from the bottom up. The upper decibels, where music is, have the most room (as in IEC 60268-18).
const METER: [(f32, f32); 6] =
    [(METER_FLOOR, 0.0), (-40.0, 0.15), (-30.0, 0.30), (-20.0, 0.50), (-10.0, 0.75), (0.0, 1.0)];

/// (dB, place) of faders: unity is at about three quarters.
const GAIN: [(f32, f32); 6] = [(-60.0, 0.0), (-40.0, 0.12), (-20.0, 0.34), (-10.0, 0.54), (0.0, 0.76), (12.0, 1.0)];

/// Place of a level on a meter, 0 to 1.
pub fn meter_place(dbfs: f32) -> f32 {
    place(&METER, dbfs)
}

/// Place of a gain on a fader, 0 to 1.
pub fn gain_place(db: f64) -> f32 {
    place(&GAIN, db as f32)
}

/// Gain at a place on a fader, in dB.
pub fn gain_at(place: f32) -> f64 {
    let place = place.clamp(0.0, 1.0);
    let above = GAIN.iter().position(|(_, p)| *p >= place).unwrap_or(GAIN.len() - 1).max(1);
    let ((low, from), (high, to)) = (GAIN[above - 1], GAIN[above]);
    f64::from(low + (high - low) * (place - from) / (to - from))
}

fn place(points: &[(f32, f32)], db: f32) -> f32 {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return 0.0 };
    if db.is_nan() || db <= first.0 {
        return first.1;
    }
    for pair in points.windows(2) {
        let ((low, from), (high, to)) = (pair[0], pair[1]);
        if db <= high {
            return from + (to - from) * (db - low) / (high - low);
        }
    }
    last.1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Louder is higher, and levels beyond the ends are clamped.
    #[test]
    fn louder_is_higher() {
        let mut last = -1.0;
        for tenth in -600..=0 {
            let place = meter_place(tenth as f32 / 10.0);
            assert!(place > last, "{tenth}");
            last = place;
        }
        for (db, place) in [(-120.0, 0.0), (f32::NAN, 0.0), (f32::NEG_INFINITY, 0.0), (0.0, 1.0), (20.0, 1.0)] {
            assert_eq!(meter_place(db), place, "{db}");
        }
    }

    /// Gain to place and back is the same gain.
    #[test]
    fn fader_places_round_trip() {
        for tenth in -600..=120 {
            let db = f64::from(tenth) / 10.0;
            assert!((gain_at(gain_place(db)) - db).abs() < 1e-3, "{db}");
        }
        assert_eq!((gain_at(-1.0), gain_at(2.0)), (-60.0, 12.0));
    }
}
