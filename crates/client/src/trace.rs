//! Records the arrival times of packets for `lab`, on a thread of its own.
//!
//! A trace file holds one stream of one musician: a line `sent_us,arrived_us` per packet in sequence order. `arrived_us`
//! is empty for a lost packet and has several times, separated by semicolons, for a duplicated one. The first stream
//! goes to the requested file, further ones to `FILE-2`, `FILE-3` and so on (before the extension). `sent_us` is the
//! frame position at 48 kHz: the sender's clock differs from ours by an unknown constant.
//!
//! The host's callbacks go to `FILE-calls` (before the extension): `begun_us,frames,rate` per call, on the clock of the
//! arrivals. `lab replay FILE --calls FILE-calls` replays a trace with the stalls of the machine that recorded it.

use crossbeam_channel::{Receiver, RecvTimeoutError};
use rtjam_engine::{Calls, HostCall};
use rtjam_protocol::audio::{AudioHeader, WIRE_RATE};
use rtjam_protocol::{Micros, Sequence, SourceId, StreamId};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arrivals that may wait for the thread: some seconds of a full room.
pub(crate) const MAX_WAITING: usize = 16_384;

/// A packet counts as lost once this many later ones have arrived.
const WINDOW: u64 = 1024;

/// At most this many streams are recorded.
const MAX_STREAMS: usize = 64;

/// A trace file to be written.
#[derive(Debug)]
pub struct TraceFile {
    path: PathBuf,
    first: Option<File>,
}

impl TraceFile {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<TraceFile> {
        let path = path.into();
        let first = Some(File::create(&path)?);
        Ok(TraceFile { path, first })
    }

    /// The file of the next stream.
    fn next(&mut self, number: usize) -> io::Result<File> {
        match self.first.take() {
            Some(file) => Ok(file),
            None => File::create(beside(&self.path, number)),
        }
    }
}

/// One packet's arrival.
pub(crate) struct PacketArrival {
    pub(crate) at: Micros,
    pub(crate) header: AudioHeader,
}

/// The body of `jam-trace`: writes until the sender of arrivals is dropped.
///
/// # Errors
/// A file cannot be written, for example on a full disk.
pub(crate) fn run(mut file: TraceFile, arrivals: &Receiver<PacketArrival>, calls: Calls) -> io::Result<()> {
    let mut streams: Vec<StreamTrace<BufWriter<File>>> = Vec::new();
    let mut calls = CallLog { calls, out: None };
    loop {
        let arrival = arrivals.recv_timeout(Duration::from_secs(1));
        calls.write(&file.path)?;
        match arrival {
            Ok(arrival) => {
                let PacketArrival { at, header } = arrival;
                let known = streams.iter().position(|s| s.of == (header.source, header.stream));
                let index = known.unwrap_or(streams.len());
                if index == MAX_STREAMS {
                    continue;
                }
                if known.is_none() {
                    let out = BufWriter::new(file.next(index + 1)?);
                    streams.push(StreamTrace::begin(&header, out)?);
                }
                streams[index].note(at, &header)?;
            }
            Err(RecvTimeoutError::Timeout) => {
                streams.iter_mut().try_for_each(|s| s.out.flush())?;
                calls.flush()?;
            }
            Err(RecvTimeoutError::Disconnected) => {
                calls.flush()?;
                return streams.iter_mut().try_for_each(StreamTrace::finish);
            }
        }
    }
}

/// The file of the host's callbacks, created with the first one.
struct CallLog {
    calls: Calls,
    out: Option<BufWriter<File>>,
}

impl CallLog {
    /// Writes the new callbacks to the file beside the trace at `path`.
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

/// The path with `-suffix` before its extension.
fn beside(path: &Path, suffix: impl std::fmt::Display) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem}-{suffix}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{suffix}"),
    };
    path.with_file_name(name)
}

/// One stream: the packets that are not written yet.
struct StreamTrace<W> {
    of: (SourceId, StreamId),
    out: W,
    /// By sequence number, extended to 64 bits.
    waiting: BTreeMap<u64, TracedPacket>,
    newest: (u64, Sequence),
    /// The last packet written: its number and the end of its frames.
    written: Option<(u64, u64)>,
}

struct TracedPacket {
    /// End of its frames: the packet was sent when the last of them was captured.
    end: u64,
    arrived: Vec<Micros>,
}

/// The first packet's number: high enough for earlier packets to fit below.
const BASE: u64 = 1 << 32;

impl<W: Write> StreamTrace<W> {
    fn begin(header: &AudioHeader, mut out: W) -> io::Result<StreamTrace<W>> {
        writeln!(out, "# recorded by rtjam: musician {}, packets of {} frames", header.source.0, header.frames)?;
        writeln!(out, "sent_us,arrived_us")?;
        let of = (header.source, header.stream);
        Ok(StreamTrace { of, out, waiting: BTreeMap::new(), newest: (BASE, header.sequence), written: None })
    }

    fn note(&mut self, at: Micros, header: &AudioHeader) -> io::Result<()> {
        let ahead = header.sequence.0.wrapping_sub(self.newest.1.0) as i32;
        let number = self.newest.0.saturating_add_signed(i64::from(ahead));
        if ahead > 0 {
            self.newest = (number, header.sequence);
        }
        if self.written.is_none_or(|(last, _)| number > last) {
            let end = header.position.0.wrapping_add(u64::from(header.frames));
            self.waiting.entry(number).or_insert(TracedPacket { end, arrived: Vec::new() }).arrived.push(at);
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

    /// Writes the first packet that waits, after the lost ones before it.
    fn write_first(&mut self) -> io::Result<()> {
        let Some((number, packet)) = self.waiting.pop_first() else { return Ok(()) };
        if let Some((last, end)) = self.written {
            // A gap of this length is a jump of the sequence numbers, not packet loss.
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

/// The time of a frame position on its sender's clock, in µs.
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

    /// Lost, late and duplicated packets appear in sequence order.
    #[test]
    fn trace_lines_are_in_order() {
        let mut stream = StreamTrace::begin(&header(3, u32::MAX, 0), Vec::new()).unwrap();
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

    /// Lines are written while packets arrive; one that is too late changes nothing.
    #[test]
    fn lines_are_written_continuously() {
        let mut stream = StreamTrace::begin(&header(1, 0, 0), Vec::new()).unwrap();
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

    /// Each stream has a file of its own, beside that of the callbacks.
    #[test]
    fn streams_have_their_own_files() {
        let folder = std::env::temp_dir().join(format!("rtjam-trace-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (sender, arrivals) = crossbeam_channel::bounded(100);
        for number in 0..20 {
            for source in [4, 9] {
                sender
                    .send(PacketArrival { at: Micros(u64::from(number)), header: header(source, number, 0) })
                    .unwrap();
            }
        }
        drop(sender);
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
