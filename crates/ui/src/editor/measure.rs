//! The layout: rectangles from the size of the window and the number of musicians. Messages and audio do not affect it, so
//! nothing jumps.

use egui::{Rect, pos2, vec2};

/// The unit of space, in logical pixels: every gap and height is a multiple of it.
pub const UNIT: f32 = 4.0;

/// Height of buttons and fields.
pub const CONTROL: f32 = 7.0 * UNIT;

const MARGIN: f32 = 2.0 * UNIT;
const MESSAGE: f32 = 9.0 * UNIT;
const BOTTOM: f32 = 13.0 * UNIT;
const GAP: f32 = UNIT;

/// The parts of the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parts {
    /// Link, name, rooms.
    pub top: Rect,
    /// Messages.
    pub message: Rect,
    /// The user's own strip.
    pub own: Rect,
    /// The other musicians' strips.
    pub strips: Rect,
    /// Room level, formats.
    pub bottom: Rect,
}

impl Parts {
    /// The parts of a window.
    pub fn of(window: Rect) -> Parts {
        let mut rest = Cut(window.shrink(MARGIN));
        let bottom = rest.bottom(BOTTOM - MARGIN);
        rest.bottom(2.0 * MARGIN);
        let top = rest.top(CONTROL);
        rest.top(GAP);
        let message = rest.top(MESSAGE);
        rest.top(MARGIN);
        let own = rest.left(Width::OWN);
        rest.left(MARGIN);
        Parts { top, message, own, strips: rest.0, bottom }
    }
}

/// Width of the strips.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Width {
    /// Width of one strip.
    pub strip: f32,
    /// Gap between two.
    pub gap: f32,
}

impl Width {
    /// Width of the user's own strip.
    pub const OWN: f32 = 26.0 * UNIT;
    /// Largest width of a strip: five fill a window of the initial size.
    pub const MOST: f32 = 30.0 * UNIT;
    /// Smallest width of a strip.
    pub const LEAST: f32 = 12.0 * UNIT;
    /// Width of a strip that scrolls: a usual name fits.
    pub const SCROLLED: f32 = 17.0 * UNIT;

    /// The width of `count` strips in `room` pixels.
    pub fn of(count: usize, room: f32) -> Width {
        let count = count.max(1) as f32;
        for gap in [2.0 * UNIT, UNIT, UNIT / 2.0] {
            let strip = ((room + gap) / count - gap).floor();
            if strip >= Width::LEAST {
                return Width { strip: strip.min(Width::MOST), gap };
            }
        }
        Width { strip: Width::SCROLLED, gap: UNIT / 2.0 }
    }

    /// Width of all strips together.
    pub fn total(self, count: usize) -> f32 {
        (count as f32 * (self.strip + self.gap) - self.gap).max(0.0)
    }

    /// Narrow strips leave out the dB scale and the text of the second button.
    pub fn is_narrow(self) -> bool {
        self.strip < 20.0 * UNIT
    }
}

/// The parts of a strip, from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StripParts {
    /// Name.
    pub name: Rect,
    /// Delay and packet loss.
    pub badge: Rect,
    /// Meters and faders.
    pub lanes: Rect,
    /// Values of the faders.
    pub value: Rect,
    /// Pans.
    pub pan: Rect,
    /// Mutes and solos.
    pub switches: Rect,
    /// Slot number.
    pub foot: Rect,
}

impl StripParts {
    /// A strip below this height leaves out what is shown elsewhere too.
    const SHORT: f32 = 60.0 * UNIT;

    /// The parts of a strip.
    pub fn of(strip: Rect) -> StripParts {
        let short = strip.height() < Self::SHORT;
        let mut rest = Cut(strip.shrink2(vec2(UNIT, UNIT)));
        let name = rest.top(5.0 * UNIT);
        let badge = rest.top(if short { 4.0 } else { 7.0 } * UNIT);
        rest.top(if short { UNIT / 2.0 } else { UNIT });
        let foot = rest.bottom(5.0 * UNIT);
        rest.bottom(UNIT / 2.0);
        let switches = rest.bottom(5.0 * UNIT);
        rest.bottom(if short { UNIT / 2.0 } else { UNIT });
        let pan = rest.bottom(4.0 * UNIT);
        rest.bottom(if short { 0.0 } else { UNIT / 2.0 });
        let value = rest.bottom(if short { 3.0 } else { 4.0 } * UNIT);
        StripParts { name, badge, lanes: rest.0, value, pan, switches, foot }
    }
}

/// The rest of a rectangle while pieces are cut off its sides.
#[derive(Clone, Copy, Debug)]
pub struct Cut(pub Rect);

impl Cut {
    /// Cuts off at the top.
    pub fn top(&mut self, height: f32) -> Rect {
        let y = (self.0.top() + height).min(self.0.bottom());
        let piece = Rect::from_min_max(self.0.min, pos2(self.0.right(), y));
        self.0.min.y = y;
        piece
    }

    /// Cuts off at the bottom.
    pub fn bottom(&mut self, height: f32) -> Rect {
        let y = (self.0.bottom() - height).max(self.0.top());
        let piece = Rect::from_min_max(pos2(self.0.left(), y), self.0.max);
        self.0.max.y = y;
        piece
    }

    /// Cuts off at the left.
    pub fn left(&mut self, width: f32) -> Rect {
        let x = (self.0.left() + width).min(self.0.right());
        let piece = Rect::from_min_max(self.0.min, pos2(x, self.0.bottom()));
        self.0.min.x = x;
        piece
    }

    /// Cuts off at the right.
    pub fn right(&mut self, width: f32) -> Rect {
        let x = (self.0.right() - width).max(self.0.left());
        let piece = Rect::from_min_max(pos2(x, self.0.top()), self.0.max);
        self.0.max.x = x;
        piece
    }

    /// The rest in `count` equal columns.
    pub fn columns(self, count: usize, gap: f32) -> impl Iterator<Item = Rect> {
        let width = (self.0.width() + gap) / count.max(1) as f32 - gap;
        (0..count).map(move |i| {
            let left = self.0.left() + i as f32 * (width + gap);
            Rect::from_min_size(pos2(left, self.0.top()), vec2(width, self.0.height()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{DEFAULT_WINDOW, MIN_WINDOW};

    fn window(size: (u32, u32)) -> Rect {
        Rect::from_min_size(pos2(0.0, 0.0), vec2(size.0 as f32, size.1 as f32))
    }

    /// Parts are within the window and never overlap.
    #[test]
    fn parts_never_overlap() {
        for size in [MIN_WINDOW, DEFAULT_WINDOW, (1920, 1080)] {
            let Parts { top, message, own, strips, bottom } = Parts::of(window(size));
            let all = [top, message, own, strips, bottom];
            for (i, part) in all.iter().enumerate() {
                assert!(window(size).contains_rect(*part) && part.is_positive(), "{size:?} {part:?}");
                assert!(all[i + 1..].iter().all(|other| !part.intersects(*other)), "{size:?} {part:?}");
            }
        }
    }

    /// Twelve strips fit into a window of the initial size.
    #[test]
    fn twelve_strips_fit() {
        let room = Parts::of(window(DEFAULT_WINDOW)).strips.width();
        let width = Width::of(12, room);
        assert!(width.total(12) <= room, "{width:?} {room}");
        assert!(Width::of(1, room).strip == Width::MOST && !Width::of(5, room).is_narrow());
    }

    /// Strips that do not fit scroll, and are wide enough for names.
    #[test]
    fn strips_scroll_when_needed() {
        let room = Parts::of(window(MIN_WINDOW)).strips.width();
        let width = Width::of(32, room);
        assert_eq!(width.strip, Width::SCROLLED);
        assert!(width.total(32) > room);
        assert_eq!(Width::of(0, room).total(0), 0.0);
    }

    /// A strip has room for all its parts in the smallest window.
    #[test]
    fn parts_fit_into_smallest_strip() {
        let strips = Parts::of(window(MIN_WINDOW)).strips;
        let strip = Rect::from_min_size(strips.min, vec2(Width::LEAST, strips.height()));
        let parts = StripParts::of(strip);
        assert!(parts.lanes.height() >= 12.0 * UNIT, "{parts:?}");
        for part in [parts.name, parts.badge, parts.value, parts.pan, parts.switches, parts.foot] {
            assert!(strip.contains_rect(part) && part.height() >= 3.0 * UNIT, "{part:?}");
        }
    }
}
