//! Objects that the host passes to the plugin.

use ::vst3::Steinberg::Vst::{
    IComponentHandler, IComponentHandlerTrait, IHostApplication, IHostApplicationTrait, IParamValueQueue,
    IParamValueQueueTrait, IParameterChanges, IParameterChangesTrait, ParamID, ParamValue, String128,
};
use ::vst3::Steinberg::{
    IBStream, IBStreamTrait, TUID, int32, int64, kNotImplemented, kResultFalse, kResultOk, tresult,
};
use ::vst3::{Class, ComPtr, ComWrapper};
use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::thread::ThreadId;

/// A call of the plugin to the host's handler.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Edit {
    /// `beginEdit`.
    Begin(u32),
    /// `performEdit`.
    Perform(u32, f64),
    /// `endEdit`.
    End(u32),
    /// `restartComponent`.
    Restart(i32),
}

/// All calls of the plugin to the host's handler, in order, with their threads.
#[derive(Default)]
pub struct Edits(Mutex<Vec<(Edit, ThreadId)>>);

impl Edits {
    /// All calls, in order.
    pub fn all(&self) -> Vec<Edit> {
        self.0.lock().expect("no panic").iter().map(|(edit, _)| *edit).collect()
    }

    /// Whether all calls were made on the calling thread.
    pub fn came_here(&self) -> bool {
        let here = std::thread::current().id();
        self.0.lock().expect("no panic").iter().all(|(_, thread)| *thread == here)
    }

    fn note(&self, edit: Edit) -> tresult {
        self.0.lock().expect("no panic").push((edit, std::thread::current().id()));
        kResultOk
    }
}

pub(super) struct Application(pub(super) String);

impl Class for Application {
    type Interfaces = (IHostApplication,);
}

impl IHostApplicationTrait for Application {
    unsafe fn getName(&self, name: *mut String128) -> tresult {
        // SAFETY: the plugin's memory for the name.
        let name = unsafe { &mut *name };
        name.fill(0);
        name.iter_mut().zip(self.0.encode_utf16()).for_each(|(to, from)| *to = from as _);
        kResultOk
    }

    unsafe fn createInstance(&self, _cid: *mut TUID, _iid: *mut TUID, _obj: *mut *mut c_void) -> tresult {
        kNotImplemented
    }
}

pub(super) struct Handler(pub(super) std::sync::Arc<Edits>);

impl Class for Handler {
    type Interfaces = (IComponentHandler,);
}

impl IComponentHandlerTrait for Handler {
    unsafe fn beginEdit(&self, id: ParamID) -> tresult {
        self.0.note(Edit::Begin(id))
    }

    unsafe fn performEdit(&self, id: ParamID, value: ParamValue) -> tresult {
        self.0.note(Edit::Perform(id, value))
    }

    unsafe fn endEdit(&self, id: ParamID) -> tresult {
        self.0.note(Edit::End(id))
    }

    unsafe fn restartComponent(&self, flags: i32) -> tresult {
        self.0.note(Edit::Restart(flags))
    }
}

/// A stream in memory that transfers at most `most` bytes per call. A stream with a limit returns an error at its end,
/// unlike those of the SDK.
pub(super) struct Stream {
    pub(super) bytes: RefCell<Vec<u8>>,
    pub(super) at: Cell<usize>,
    pub(super) most: usize,
}

impl Class for Stream {
    type Interfaces = (IBStream,);
}

impl IBStreamTrait for Stream {
    unsafe fn read(&self, buffer: *mut c_void, count: int32, read: *mut int32) -> tresult {
        let (bytes, at) = (self.bytes.borrow(), self.at.get());
        let length = (bytes.len() - at).min(self.most).min(count as usize);
        // SAFETY: the plugin's buffer has `count` bytes.
        unsafe { std::ptr::copy_nonoverlapping(bytes[at..].as_ptr(), buffer.cast(), length) };
        self.at.set(at + length);
        if !read.is_null() {
            // SAFETY: the plugin's memory for the answer.
            unsafe { read.write(length as int32) };
        }
        if length == 0 && count > 0 && self.most != usize::MAX { kResultFalse } else { kResultOk }
    }

    unsafe fn write(&self, buffer: *mut c_void, count: int32, written: *mut int32) -> tresult {
        let length = self.most.min(count as usize);
        // SAFETY: the plugin's buffer has `count` bytes.
        let given = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), length) };
        self.bytes.borrow_mut().extend_from_slice(given);
        if !written.is_null() {
            // SAFETY: the plugin's memory for the answer.
            unsafe { written.write(length as int32) };
        }
        if length == 0 && count > 0 { kResultFalse } else { kResultOk }
    }

    unsafe fn seek(&self, _at: int64, _mode: int32, _result: *mut int64) -> tresult {
        kNotImplemented
    }

    unsafe fn tell(&self, _at: *mut int64) -> tresult {
        kNotImplemented
    }
}

/// Parameter changes that go into a call of `process` or come out of it.
pub(super) struct Changes(pub(super) RefCell<Vec<ComWrapper<Queue>>>);

impl Changes {
    pub(super) fn new(points: &[(u32, i32, f64)]) -> Changes {
        let queue = |(id, at, value): &(u32, i32, f64)| {
            ComWrapper::new(Queue { id: *id, points: RefCell::new(vec![(*at, *value)]) })
        };
        Changes(RefCell::new(points.iter().map(queue).collect()))
    }

    /// Last point of each queue.
    pub(super) fn last(&self) -> Vec<(u32, f64)> {
        let last = |queue: &ComWrapper<Queue>| Some((queue.id, queue.points.borrow().last()?.1));
        self.0.borrow().iter().filter_map(last).collect()
    }
}

impl Class for Changes {
    type Interfaces = (IParameterChanges,);
}

fn lent(queue: &ComWrapper<Queue>) -> *mut IParamValueQueue {
    queue.as_com_ref::<IParamValueQueue>().map_or(null_mut(), |queue| queue.as_ptr())
}

impl IParameterChangesTrait for Changes {
    unsafe fn getParameterCount(&self) -> int32 {
        self.0.borrow().len() as int32
    }

    unsafe fn getParameterData(&self, index: int32) -> *mut IParamValueQueue {
        self.0.borrow().get(index as usize).map_or(null_mut(), lent)
    }

    unsafe fn addParameterData(&self, id: *const ParamID, index: *mut int32) -> *mut IParamValueQueue {
        let mut queues = self.0.borrow_mut();
        // SAFETY: the plugin's memory for both.
        unsafe {
            index.write(queues.len() as int32);
            queues.push(ComWrapper::new(Queue { id: id.read(), points: RefCell::default() }));
        }
        queues.last().map_or(null_mut(), lent)
    }
}

pub(super) struct Queue {
    id: u32,
    points: RefCell<Vec<(i32, f64)>>,
}

impl Class for Queue {
    type Interfaces = (IParamValueQueue,);
}

impl IParamValueQueueTrait for Queue {
    unsafe fn getParameterId(&self) -> ParamID {
        self.id
    }

    unsafe fn getPointCount(&self) -> int32 {
        self.points.borrow().len() as int32
    }

    unsafe fn getPoint(&self, index: int32, at: *mut int32, value: *mut ParamValue) -> tresult {
        let Some(point) = self.points.borrow().get(index as usize).copied() else { return kResultFalse };
        // SAFETY: the plugin's memory for the answers.
        unsafe {
            at.write(point.0);
            value.write(point.1);
        }
        kResultOk
    }

    unsafe fn addPoint(&self, at: int32, value: ParamValue, index: *mut int32) -> tresult {
        let mut points = self.points.borrow_mut();
        // SAFETY: the plugin's memory for the answer.
        unsafe { index.write(points.len() as int32) };
        points.push((at, value));
        kResultOk
    }
}

/// The pointer that is passed to the plugin.
pub(super) fn pointer<C: Class, I: ::vst3::Interface>(object: &ComWrapper<C>) -> Option<ComPtr<I>> {
    object.to_com_ptr::<I>()
}
