//! What is played into the room: the input device, the demo or a recording.

mod demo;
mod wav;

use super::settings::SourceChoice;
use demo::Demo;
use wav::Wav;

/// A source at work. Made and dropped off the audio thread.
pub(crate) enum Source {
    /// What comes in at the input.
    Device,
    /// The small band.
    Demo(Box<Demo>),
    /// A recording, over and over.
    Wav(Wav),
}

impl Source {
    /// Gets a source ready to play at `rate` frames a second. May read a file and take its time.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub(crate) fn prepare(choice: &SourceChoice, rate: u32) -> Result<Source, String> {
        match choice {
            SourceChoice::Device => Ok(Source::Device),
            SourceChoice::Demo => Ok(Source::Demo(Box::new(Demo::new(rate)))),
            SourceChoice::Wav(path) => Ok(Source::Wav(Wav::load(path, rate)?)),
        }
    }

    /// Audio thread. Plays the next frames into `left` and `right`, which are equally long. False: this source is the
    /// input itself, and nothing was written.
    pub(crate) fn play(&mut self, left: &mut [f32], right: &mut [f32]) -> bool {
        match self {
            Source::Device => return false,
            Source::Demo(demo) => demo.play(left, right),
            Source::Wav(wav) => wav.play(left, right),
        }
        true
    }
}
