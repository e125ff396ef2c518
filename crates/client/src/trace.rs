//! Records when packets arrive, for `lab`: a thread of its own writes what `jam-recv` notes.
//!
//! A trace is of one stream of one musician: `sent_us,arrived_us` a packet, in sequence order, `arrived_us` empty when
//! the packet was lost, more than one time (after semicolons) when it came more than once. The first stream that is
//! heard goes to the file that was asked for, further ones to `FILE-2`, `FILE-3` and so on, before the extension.
//! Times of sending are frame positions over 48 kHz: the sender's clock differs from ours by an unknown constant.
//!
//! When the host called goes to `FILE-calls`, before the extension: `begun_us,frames,rate` a call, on the clock of the
//! arrivals. `lab replay FILE --calls FILE-calls` plays a trace with the stalls of the machine that it was recorded on.

use crossbeam_channel::{Receiver, RecvTimeoutError};
use rtjam_engine::{Calls, HostCall};
use rtjam_protocol::audio::{AudioHeader, WIRE_RATE};
use rtjam_protocol::{Micros, Sequence, SourceId, StreamId};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arrivals that wait for the thread: seconds of a full room.
pub(crate) const WAITING: usize = 16_384;

/// Packets that are waited for: so many later ones, and one is lost.
const WINDOW: u64 = 1024;

/// Streams that are recorded; later ones are not.
const STREAMS: usize = 64;

/// A trace to be written.
#[derive(Debug)]
pub struct TraceFile {
    path: PathBuf,
    first: Option<File>,
}

impl TraceFile {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<TraceFile> {
        let path = path.into();
        let first = Some(File::create(&path)?);
        Ok(TraceFile { path, first })
    }

    /// The next stream's file.
    fn next(&mut self, number: usize) -> io::Result<File> {
        match self.first.take() {
            Some(file) => Ok(file),
            None => File::create(beside(&self.path, number)),
        }
    }
}

/// One packet's arrival.
pub(crate) struct Arrival {
    pub(crate) at: Micros,
    pub(crate) header: AudioHeader,
}

/// The body of `jam-trace`: writes until nobody notes arrivals any more.
///
/// # Errors
/// When the disk is full, or gone.
pub(crate) fn run(mut file: TraceFile, arrivals: &Receiver<Arrival>, calls: Calls) -> io::Result<()> {
    let mut streams: Vec<Stream<BufWriter<File>>> = Vec::new();
    let mut calls = CallLog { calls, out: None };
    loop {
        let arrival = arrivals.recv_timeout(Duration::from_secs(1));
        calls.write(&file.path)?;
        match arrival {
            Ok(arrival) => {
                let Arrival { at, header } = arrival;
                let known = streams.iter().position(|s| s.of == (header.source, header.stream));
                let stream = match known {
                    Some(index) => &mut streams[index],
                    None if streams.len() == STREAMS => continue,
                    None => {
                        let out = BufWriter::new(file.next(streams.len() + 1)?);
                        streams.push(Stream::begin(&header, out)?);
                        let last = streams.len() - 1;
                        &mut streams[last]
                    }
                };
                stream.note(at, &header)?;
            }
            Err(RecvTimeoutError::Timeout) => {
                streams.iter_mut().try_for_each(|s| s.out.flush())?;
                calls.flush()?;
            }
            Err(RecvTimeoutError::Disconnected) => {
                calls.flush()?;
                return streams.iter_mut().try_for_each(Stream::finish);
            }
        }
    }
}

/// The host's calls, written from the first one on.
struct CallLog {
    calls: Calls,
    out: Option<BufWriter<File>>,
}

impl CallLog {
    /// Writes what has been noted since the last time, beside the trace at `path`.
    fn write(&mut self, path: &Path) -> io::Result<()> {
        while let Some(HostCall { begun, frames, rate }) = self.calls.pop() {
            let out = match &mut self.out {
                Some(out) => out,
                None => {
                    let mut out = BufWriter::new(File::create(beside(path, "calls"))?);
                    writeln!(out, "begun_us,frames,rate")?;
                    self.out.insert(out)
                }
            };
            writeln!(out, "{},{frames},{rate}", begun.0)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.as_mut().map_or(Ok(()), BufWriter::flush)
    }
}

/// The file's name with `-suffix` before its extension.
fn beside(path: &Path, suffix: impl std::fmt::Display) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem}-{suffix}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{suffix}"),
    };
    path.with_file_name(name)
}

/// One stream, as far as it is not written yet.
struct Stream<W> {
    of: (SourceId, StreamId),
    out: W,
    /// Packets by their number, counted on from the first one's without wrapping.
    waiting: BTreeMap<u64, Packet>,
    newest: (u64, Sequence),
    /// The last that was written, and where its frames ended.
    written: Option<(u64, u64)>,
}

struct Packet {
    /// Where its frames end: it left when the last of them was there.
    end: u64,
    arrived: Vec<Micros>,
}

/// Numbers begin so high that packets from before the first fit below.
const BASE: u64 = 1 << 32;

impl<W: Write> Stream<W> {
    fn begin(header: &AudioHeader, mut out: W) -> io::Result<Stream<W>> {
        writeln!(out, "# recorded by rtjam: musician {}, packets of {} frames", header.source.0, header.frames)?;
        writeln!(out, "sent_us,arrived_us")?;
        let of = (header.source, header.stream);
        Ok(Stream { of, out, waiting: BTreeMap::new(), newest: (BASE, header.sequence), written: None })
    }

    fn note(&mut self, at: Micros, header: &AudioHeader) -> io::Result<()> {
        let ahead = header.sequence.0.wrapping_sub(self.newest.1.0) as i32;
        let number = self.newest.0.saturating_add_signed(i64::from(ahead));
        if ahead > 0 {
            self.newest = (number, header.sequence);
        }
        if self.written.is_none_or(|(last, _)| number > last) {
            let end = header.position.0.wrapping_add(u64::from(header.frames));
            self.waiting.entry(number).or_insert(Packet { end, arrived: Vec::new() }).arrived.push(at);
        }
        while self.waiting.first_key_value().is_some_and(|(first, _)| first + WINDOW <= self.newest.0) {
            self.write_first()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            self.write_first()?;
        }
        self.out.flush()
    }

    /// Writes the first packet that waits, and before it those that are missing.
    fn write_first(&mut self) -> io::Result<()> {
        let Some((number, packet)) = self.waiting.pop_first() else { return Ok(()) };
        if let Some((last, end)) = self.written {
            // A gap so long that nobody plays it is a jump of the numbers, not a loss.
            let (missing, frames) = (number - last - 1, packet.end.wrapping_sub(end));
            for lost in (1..=missing).filter(|_| missing < WINDOW && frames < 1 << 32) {
                writeln!(self.out, "{},", micros(end + frames * lost / (missing + 1)))?;
            }
        }
        write!(self.out, "{},", micros(packet.end))?;
        for (i, at) in packet.arrived.iter().enumerate() {
            write!(self.out, "{}{}", if i > 0 { ";" } else { "" }, at.0)?;
        }
        self.written = Some((number, packet.end));
        writeln!(self.out)
    }
}

/// When a position was there, by its sender's clock.
fn micros(position: u64) -> u64 {
    (u128::from(position) * 1_000_000 / u128::from(WIRE_RATE)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtjam_protocol::FramePosition;
    use rtjam_protocol::audio::{Codec, Layout, Peak};

    fn header(source: u16, sequence: u32, position: u64) -> AudioHeader {
        AudioHeader {
            source: SourceId(source),
            stream: StreamId(1),
            sequence: Sequence(sequence),
            position: FramePosition(position),
            codec: Codec::Pcm16,
            layout: Layout::Stereo,
            frames: 48,
            peak: [Peak(0); 2],
        }
    }

    #[test]
    fn packets_stand_in_order_with_what_was_lost_late_or_doubled() {
        let mut stream = Stream::begin(&header(3, u32::MAX, 0), Vec::new()).unwrap();
        for (number, at) in [(0_u32, 500), (2, 2600), (1, 2700), (1, 2900), (5, 5400)] {
            let header = header(3, u32::MAX.wrapping_add(number), u64::from(number) * 48);
            stream.note(Micros(at), &header).unwrap();
        }
        stream.finish().unwrap();
        let text = String::from_utf8(stream.out).unwrap();
        let expected = "# recorded by rtjam: musician 3, packets of 48 frames\nsent_us,arrived_us\n\
                        1000,500\n2000,2700;2900\n3000,2600\n4000,\n5000,\n6000,5400\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn lines_are_written_while_it_runs_and_a_straggler_changes_nothing() {
        let mut stream = Stream::begin(&header(1, 0, 0), Vec::new()).unwrap();
        for number in (0..3000_u32).filter(|n| *n != 7) {
            stream.note(Micros(u64::from(number)), &header(1, number, u64::from(number) * 48)).unwrap();
        }
        assert!(stream.waiting.len() <= WINDOW as usize);
        stream.note(Micros(9), &header(1, 7, 7 * 48)).unwrap();
        stream.finish().unwrap();
        let text = String::from_utf8(stream.out).unwrap();
        assert_eq!(text.lines().count(), 2 + 3000);
        assert_eq!(text.lines().nth(2 + 7), Some("8000,"));
    }

    #[test]
    fn each_stream_has_a_file_of_its_own() {
        let folder = std::env::temp_dir().join(format!("rtjam-trace-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (tape, arrivals) = crossbeam_channel::bounded(100);
        for number in 0..20 {
            for source in [4, 9] {
                tape.send(Arrival { at: Micros(u64::from(number)), header: header(source, number, 0) }).unwrap();
            }
        }
        drop(tape);
        let (mut engine, network, _) = rtjam_engine::engine(1, || {});
        engine.configure(48_000, 64);
        for call in 0..3 {
            let (mut left, mut right) = ([0.0; 64], [0.0; 64]);
            let mut outputs = rtjam_engine::Outputs { main: [&mut left, &mut right], slots: Default::default() };
            engine.process(Micros(5000 + call * 1333), [&[0.0; 64], &[0.0; 64]], &mut outputs);
        }
        run(TraceFile::create(folder.join("t.csv")).unwrap(), &arrivals, network.calls).unwrap();
        let calls = std::fs::read_to_string(folder.join("t-calls.csv")).unwrap();
        assert_eq!(calls, "begun_us,frames,rate\n5000,64,48000\n6333,64,48000\n7666,64,48000\n");
        for (name, musician) in [("t.csv", 4), ("t-2.csv", 9)] {
            let text = std::fs::read_to_string(folder.join(name)).unwrap();
            assert!(text.starts_with(&format!("# recorded by rtjam: musician {musician},")), "{text}");
            assert_eq!(text.lines().count(), 22);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
