//! Streams, events and graphs.

use cudarc::driver::sys;

use super::{
    context::Cuda,
    error::{CudaError, check},
    memory::Span,
};

/// A queue of device work.
pub struct Stream {
    pub(super) handle: sys::CUstream,
}

/// A point in a stream, with a time.
pub struct Event {
    handle: sys::CUevent,
}

/// Captured work that is launched as one.
pub struct Graph {
    handle: sys::CUgraphExec,
}

impl Stream {
    /// A stream that does not wait for the default stream.
    ///
    /// # Errors
    ///
    /// [`CudaError::Call`].
    pub fn new(_cuda: &Cuda) -> Result<Self, CudaError> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: a valid pointer; a context is current while a `Cuda` lives.
        check("cuStreamCreate", unsafe {
            sys::cuStreamCreate(
                &mut handle,
                sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32,
            )
        })?;
        Ok(Self { handle })
    }

    /// Waits until everything queued has ended.
    ///
    /// # Errors
    ///
    /// [`CudaError::Call`] with the error of any queued work.
    pub fn synchronize(&self) -> Result<(), CudaError> {
        // SAFETY: a live stream.
        check("cuStreamSynchronize", unsafe {
            sys::cuStreamSynchronize(self.handle)
        })
    }

    /// Whether everything queued has ended.
    ///
    /// # Errors
    ///
    /// [`CudaError::Call`] with the error of any queued work.
    pub fn is_idle(&self) -> Result<bool, CudaError> {
        // SAFETY: a live stream.
        match unsafe { sys::cuStreamQuery(self.handle) } {
            sys::CUresult::CUDA_ERROR_NOT_READY => Ok(false),
            status => check("cuStreamQuery", status).map(|()| true),
        }
    }

    /// Queues a fill of the span with `value`.
    ///
    /// # Errors
    ///
    /// [`CudaError::Call`].
    pub fn fill(&self, span: Span, value: u8) -> Result<(), CudaError> {
        // SAFETY: a span of a live arena.
        check("cuMemsetD8Async", unsafe {
            sys::cuMemsetD8Async(span.address(), value, span.bytes() as usize, self.handle)
        })
    }

    /// Queues a copy within the device.
    ///
    /// # Errors
    ///
    /// [`CudaError::OutOfSpan`] if the lengths differ; [`CudaError::Call`].
    pub fn copy(&self, from: Span, to: Span) -> Result<(), CudaError> {
        if from.bytes() != to.bytes() {
            return Err(CudaError::OutOfSpan {
                what: "copy",
                bytes: from.bytes(),
                span: to.bytes(),
            });
        }
        // SAFETY: two spans of live arenas, of one length.
        check("cuMemcpyDtoDAsync", unsafe {
            sys::cuMemcpyDtoDAsync_v2(
                to.address(),
                from.address(),
                from.bytes() as usize,
                self.handle,
            )
        })
    }

    /// Copies words to the front of the span and waits.
    ///
    /// # Errors
    ///
    /// [`CudaError::OutOfSpan`]; [`CudaError::Call`].
    pub fn upload<T: Word>(&self, words: &[T], to: Span) -> Result<(), CudaError> {
        let bytes = size_of_val(words);
        within("upload", bytes, to)?;
        // SAFETY: `words` is plain data of `bytes` bytes, alive until the wait below.
        check("cuMemcpyHtoDAsync", unsafe {
            sys::cuMemcpyHtoDAsync_v2(to.address(), words.as_ptr().cast(), bytes, self.handle)
        })?;
        self.synchronize()
    }

    /// Copies the front of the span, `count` words, to the host and waits.
    ///
    /// # Errors
    ///
    /// [`CudaError::OutOfSpan`]; [`CudaError::Call`].
    pub fn download<T: Word>(&self, from: Span, count: usize) -> Result<Vec<T>, CudaError> {
        let mut words = vec![T::default(); count];
        let bytes = size_of_val(words.as_slice());
        within("download", bytes, from)?;
        // SAFETY: `words` has room for `bytes` bytes of plain data and is alive until the wait below.
        check("cuMemcpyDtoHAsync", unsafe {
            sys::cuMemcpyDtoHAsync_v2(
                words.as_mut_ptr().cast(),
                from.address(),
                bytes,
                self.handle,
            )
        })?;
        self.synchronize()?;
        Ok(words)
    }

    /// Records `event` behind what is queued.
    ///
    /// # Errors
    ///
    /// [`CudaError::Call`].
    pub fn record(&self, event: &Event) -> Result<(), CudaError> {
        // SAFETY: a live event and stream.
        check("cuEventRecord", unsafe {
            sys::cuEventRecord(event.handle, self.handle)
        })
    }

    /// Captures what `work` queues on this stream as a graph, uploaded and ready to launch.
    ///
    /// # Errors
    ///
    /// Those of `work`; [`CudaError::Call`].
    pub fn capture(
        &self,
        work: impl FnOnce(&Self) -> Result<(), CudaError>,
    ) -> Result<Graph, CudaError> {
        // SAFETY: a live stream; the capture ends below in every case.
        check("cuStreamBeginCapture", unsafe {
            sys::cuStreamBeginCapture_v2(
                self.handle,
                sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL,
            )
        })?;
        let outcome = work(self);
        let mut graph = std::ptr::null_mut();
        // SAFETY: ends the capture begun above.
        let ended = check("cuStreamEndCapture", unsafe {
            sys::cuStreamEndCapture(self.handle, &mut graph)
        });
        outcome?;
        ended?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: a complete graph; it is destroyed right after, the executable form stands alone.
        let instantiated = check("cuGraphInstantiate", unsafe {
            sys::cuGraphInstantiateWithFlags(&mut handle, graph, 0)
        });
        // SAFETY: made by the capture, destroyed once.
        let _ = unsafe { sys::cuGraphDestroy(graph) };
        instantiated?;
        let graph = Graph { handle };
        // SAFETY: live handles.
        check("cuGraphUpload", unsafe {
            sys::cuGraphUpload(graph.handle, self.handle)
        })?;
        self.synchronize()?;
        Ok(graph)
    }

    /// Queues the graph.
    ///
    /// # Errors
    ///
    /// [`CudaError::Call`].
    pub fn replay(&self, graph: &Graph) -> Result<(), CudaError> {
        // SAFETY: live handles.
        check("cuGraphLaunch", unsafe {
            sys::cuGraphLaunch(graph.handle, self.handle)
        })
    }
}

fn within(what: &'static str, bytes: usize, span: Span) -> Result<(), CudaError> {
    match bytes as u64 <= span.bytes() {
        true => Ok(()),
        false => Err(CudaError::OutOfSpan {
            what,
            bytes: bytes as u64,
            span: span.bytes(),
        }),
    }
}

/// Plain words that copies may carry: every bit pattern is a value.
pub trait Word: Copy + Default + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! words {
    ($($type:ty),*) => {$(
        impl sealed::Sealed for $type {}
        impl Word for $type {}
    )*};
}
words!(u8, u32, u64, i32, f32);

impl Event {
    /// An event with timing.
    ///
    /// # Errors
    ///
    /// [`CudaError::Call`].
    pub fn new(_cuda: &Cuda) -> Result<Self, CudaError> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: a valid pointer.
        check("cuEventCreate", unsafe {
            sys::cuEventCreate(&mut handle, sys::CUevent_flags::CU_EVENT_DEFAULT as u32)
        })?;
        Ok(Self { handle })
    }

    /// Waits until what was queued before it has ended; not at all if it was never recorded.
    ///
    /// # Errors
    ///
    /// [`CudaError::Call`] with the error of any work before it.
    pub fn wait(&self) -> Result<(), CudaError> {
        // SAFETY: a live event.
        check("cuEventSynchronize", unsafe {
            sys::cuEventSynchronize(self.handle)
        })
    }

    /// Waits for `end`; the time from `self` to `end` in ns.
    ///
    /// # Errors
    ///
    /// [`CudaError::Call`] with the error of any work in between.
    pub fn elapsed_ns(&self, end: &Self) -> Result<u64, CudaError> {
        end.wait()?;
        let mut milliseconds = 0f32;
        // SAFETY: a valid pointer; both events are recorded and complete.
        check("cuEventElapsedTime", unsafe {
            sys::cuEventElapsedTime_v2(&mut milliseconds, self.handle, end.handle)
        })?;
        Ok((f64::from(milliseconds) * 1e6).round() as u64)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: created once, destroyed once.
        let _ = unsafe { sys::cuEventDestroy_v2(self.handle) };
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: instantiated once, destroyed once.
        let _ = unsafe { sys::cuGraphExecDestroy(self.handle) };
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: created once, destroyed once.
        let _ = unsafe { sys::cuStreamDestroy_v2(self.handle) };
    }
}
