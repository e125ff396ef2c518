//! Sources: what the program sends into the room. The audio input, the demo or a recording.

mod demo;
mod wav;

pub(crate) use wav::WavError;

use demo::Demo;
use rtjam_ui::settings::SourceChoice;
use wav::Wav;

/// A source at work. Created and dropped outside the audio thread.
pub(crate) enum Source {
    /// The audio input.
    Device,
    /// The demo.
    Demo(Box<Demo>),
    /// A recording, repeated.
    Wav(Wav),
}

impl Source {
    /// Prepares a source for a sample rate in Hz. May read a file, which takes time.
    ///
    /// # Errors
    /// The file cannot be played.
    pub(crate) fn prepare(choice: &SourceChoice, rate: u32) -> Result<Source, WavError> {
        match choice {
            SourceChoice::Device => Ok(Source::Device),
            SourceChoice::Demo => Ok(Source::Demo(Box::new(Demo::new(rate)))),
            SourceChoice::Wav(path) => Ok(Source::Wav(Wav::load(path, rate)?)),
        }
    }

    /// Audio thread. Renders the next frames into `left` and `right`, which are of equal length. Returns false, and
    /// writes nothing, where the source is the audio input.
    pub(crate) fn play(&mut self, left: &mut [f32], right: &mut [f32]) -> bool {
        match self {
            Source::Device => return false,
            Source::Demo(demo) => demo.play(left, right),
            Source::Wav(wav) => wav.play(left, right),
        }
        true
    }
}
