//! A line of `rtjam --status-json`, as far as the jam reads it.

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
pub(super) struct StatusLine {
    pub(super) state: String,
    #[serde(default)]
    pub(super) rtt_ms: Option<f64>,
    #[serde(default)]
    pub(super) xruns: Option<u64>,
    #[serde(default)]
    pub(super) musicians: Vec<StatusMusician>,
}

/// Another musician in the room. Counts start at joining; unknown values are `None`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StatusMusician {
    pub(super) name: String,
    pub(super) packets: Option<u64>,
    pub(super) lost: Option<u64>,
    pub(super) late: Option<u64>,
    pub(super) concealed_frames: Option<u64>,
    pub(super) playout_delay_ms: Option<f64>,
    /// Level per channel, −120 for silence.
    pub(super) dbfs: Option<Vec<Option<f64>>>,
}

impl StatusLine {
    pub(super) fn is_joined(&self) -> bool {
        self.state == "joined"
    }

    /// The musician with this name; a second one with the same name is called "NAME 2".
    pub(super) fn musician(&self, name: &str) -> Option<&StatusMusician> {
        self.musicians.iter().find(|m| m.name == name).or_else(|| {
            self.musicians.iter().find(|m| m.name.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))
        })
    }
}

impl StatusMusician {
    /// Level of the louder channel, in dBFS.
    pub(super) fn level(&self) -> Option<f64> {
        self.dbfs.iter().flatten().flatten().copied().reduce(f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A status line may contain unknown fields and null.
    #[test]
    fn unknown_fields_and_nulls_are_accepted() {
        let line = r#"{"state":"joined","room":"lobby","rtt_ms":0.4,"xruns":null,"callback_load_pct":1.5,
            "tx":{"packets":10,"dropped":0,"dbfs":[-18.0,-20.0]},"new":1,
            "musicians":[{"slot":null,"name":"You","packets":5,"lost":0,"late":0,"recovered":0,"concealed_frames":12,
            "playout_delay_ms":null,"dbfs":[-120.0,-33.5]},{"name":"Demo 2"}]}"#;
        let status: StatusLine = serde_json::from_str(line).expect("a status");
        assert!(status.is_joined() && status.rtt_ms == Some(0.4) && status.xruns.is_none());
        let you = status.musician("You").expect("You");
        assert_eq!((you.packets, you.concealed_frames, you.level()), (Some(5), Some(12), Some(-33.5)));
        assert_eq!(status.musician("Demo").map(|m| m.level()), Some(None));
        assert!(status.musician("Dem").is_none());
    }

    /// Other lines are not a status.
    #[test]
    fn other_lines_are_rejected() {
        assert!(serde_json::from_str::<StatusLine>("page: http://127.0.0.1:7891/").is_err());
        assert!(serde_json::from_str::<StatusLine>("{}").is_err());
    }
}
