//! A kernel launch: shape, attributes, arguments checked against the kernel's parameters.

use cudarc::driver::sys;

use super::{
    error::{CudaError, check},
    memory::Span,
    module::Function,
    parameters::Parameters,
    stream::Stream,
};

/// Shape and attributes of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// Blocks in x and y.
    pub grid: (u32, u32),
    /// Threads of a block.
    pub block: u32,
    /// Dynamic shared memory in bytes.
    pub shared_bytes: u32,
    /// Programmatic dependent launch: the kernel may start before its predecessor in the stream has ended.
    pub dependent: bool,
    /// All blocks resident at once, or an error.
    pub cooperative: bool,
}

impl Launch {
    /// `grid` blocks of `block` threads, nothing else.
    pub fn new(grid: u32, block: u32) -> Self {
        Self {
            grid: (grid, 1),
            block,
            shared_bytes: 0,
            dependent: false,
            cooperative: false,
        }
    }
}

/// A kernel argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arg {
    /// 32-bit integer.
    U32(u32),
    /// 64-bit integer.
    U64(u64),
    /// Device address.
    Pointer(u64),
}

impl From<u32> for Arg {
    fn from(value: u32) -> Self {
        Self::U32(value)
    }
}

impl From<u64> for Arg {
    fn from(value: u64) -> Self {
        Self::U64(value)
    }
}

impl From<Span> for Arg {
    fn from(span: Span) -> Self {
        Self::Pointer(span.address())
    }
}

impl Arg {
    fn size(self) -> usize {
        match self {
            Self::U32(_) => 4,
            Self::U64(_) | Self::Pointer(_) => 8,
        }
    }
}

/// Pointers passed with every launch; no kernel has as many parameters.
const ARGUMENT_SLOTS: usize = 64;

fn attribute(id: sys::CUlaunchAttributeID) -> sys::CUlaunchAttribute {
    // SAFETY: plain old data; the caller sets the one field that `id` names.
    let mut attribute: sys::CUlaunchAttribute = unsafe { std::mem::zeroed() };
    attribute.id = id;
    attribute
}

impl Stream {
    /// Queues `function` with `args`.
    ///
    /// # Errors
    ///
    /// [`CudaError::Arguments`] if number or sizes differ from the kernel's parameters; [`CudaError::Call`].
    pub fn launch(
        &self,
        function: &Function,
        launch: Launch,
        args: &[Arg],
    ) -> Result<(), CudaError> {
        let sizes: Vec<usize> = args.iter().map(|arg| arg.size()).collect();
        let expected = function.parameters(args.len());
        if sizes != expected {
            return Err(CudaError::Arguments {
                kernel: function.name.clone(),
                expected: expected.to_vec(),
                found: sizes,
            });
        }
        // Little endian: the first four bytes of the word are the 32-bit value.
        let words: Vec<u64> = args
            .iter()
            .map(|arg| match *arg {
                Arg::U32(value) => u64::from(value),
                Arg::U64(value) | Arg::Pointer(value) => value,
            })
            .collect();
        let mut pointers: Vec<*mut std::ffi::c_void> = words
            .iter()
            .map(|word| std::ptr::from_ref(word).cast_mut().cast())
            .collect();
        // A kernel with more parameters than `args` reads zeros, not what lies behind.
        let zeros = [0u64; 32];
        pointers.resize(ARGUMENT_SLOTS, zeros.as_ptr().cast_mut().cast());
        // SAFETY: all that is pointed to outlives the call; the sizes of `args` equal those of the kernel's parameters, and
        // there is a pointer for every parameter that a kernel can have.
        unsafe { self.enqueue(function, launch, &mut pointers) }
    }

    /// Queues `function`, whose one parameter is a struct.
    ///
    /// # Errors
    ///
    /// [`CudaError::Arguments`] if the struct's size differs from the parameter's; [`CudaError::Call`].
    pub fn launch_struct(
        &self,
        function: &Function,
        launch: Launch,
        parameters: &Parameters,
    ) -> Result<(), CudaError> {
        let (expected, found) = (function.parameters(1), [parameters.size()]);
        if expected != found {
            return Err(CudaError::Arguments {
                kernel: function.name.clone(),
                expected: expected.to_vec(),
                found: found.to_vec(),
            });
        }
        let words = parameters.words();
        // A kernel with more parameters reads zeros, not what lies behind.
        let zeros = [0u64; 32];
        let mut pointers = [zeros.as_ptr().cast_mut().cast(); ARGUMENT_SLOTS];
        pointers[0] = words.as_ptr().cast_mut().cast();
        // SAFETY: the kernel's first parameter has as many bytes as the words hold, and there is a pointer for every
        // parameter that a kernel can have.
        unsafe { self.enqueue(function, launch, &mut pointers) }
    }

    /// Queues `function` with the parameters at `pointers`, which the call copies.
    ///
    /// # Safety
    ///
    /// There is a pointer for each of the kernel's parameters, to as many bytes as the parameter has.
    unsafe fn enqueue(
        &self,
        function: &Function,
        launch: Launch,
        pointers: &mut [*mut std::ffi::c_void],
    ) -> Result<(), CudaError> {
        let mut attributes = Vec::new();
        if launch.dependent {
            let mut one = attribute(
                sys::CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
            );
            one.value.programmaticStreamSerializationAllowed = 1;
            attributes.push(one);
        }
        if launch.cooperative {
            let mut one = attribute(sys::CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_COOPERATIVE);
            one.value.cooperative = 1;
            attributes.push(one);
        }
        let config = sys::CUlaunchConfig {
            gridDimX: launch.grid.0,
            gridDimY: launch.grid.1,
            gridDimZ: 1,
            blockDimX: launch.block,
            blockDimY: 1,
            blockDimZ: 1,
            sharedMemBytes: launch.shared_bytes,
            hStream: self.handle,
            attrs: attributes.as_mut_ptr(),
            numAttrs: attributes.len() as u32,
        };
        // SAFETY: the configuration and its attributes outlive the call; the pointers are the caller's word.
        check("cuLaunchKernelEx", unsafe {
            sys::cuLaunchKernelEx(
                &config,
                function.handle,
                pointers.as_mut_ptr(),
                std::ptr::null_mut(),
            )
        })
    }
}
