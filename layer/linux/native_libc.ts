import { isGranted } from "../../spec/granted.ts";

const SYMBOLS = {
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  pwrite: { parameters: ["i32", "buffer", "usize", "i64"], result: "i32" },
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  mkdirat: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  symlinkat: { parameters: ["buffer", "i32", "buffer"], result: "i32" },
  renameat: { parameters: ["i32", "buffer", "i32", "buffer"], result: "i32" },
  linkat: { parameters: ["i32", "buffer", "i32", "buffer", "i32"], result: "i32" },
  unlinkat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  readlinkat: { parameters: ["i32", "buffer", "buffer", "usize"], result: "i32" },
  fchown: { parameters: ["i32", "u32", "u32"], result: "i32" },
  fchownat: { parameters: ["i32", "buffer", "u32", "u32", "i32"], result: "i32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  chmod: { parameters: ["buffer", "u32"], result: "i32" },
  futimens: { parameters: ["i32", "buffer"], result: "i32" },
  utimensat: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  fsetxattr: { parameters: ["i32", "buffer", "buffer", "usize", "i32"], result: "i32" },
  setxattr: { parameters: ["buffer", "buffer", "buffer", "usize", "i32"], result: "i32" },
  getxattr: { parameters: ["buffer", "buffer", "buffer", "usize"], result: "i32" },
  listxattr: { parameters: ["buffer", "buffer", "usize"], result: "i32" },
  removexattr: { parameters: ["buffer", "buffer"], result: "i32" },
  mount: { parameters: ["buffer", "buffer", "buffer", "u64", "buffer"], result: "i32" },
  umount2: { parameters: ["buffer", "i32"], result: "i32" },
  fchdir: { parameters: ["i32"], result: "i32" },
  // Flushing to disk can take long, so this call runs on another thread.
  syncfs: { parameters: ["i32"], result: "i32", nonblocking: true },
  // Not every libc wraps these: musl has statx since 1.2.5, and glibc has mknodat since 2.33.
  openat2: {
    name: "syscall",
    parameters: ["i64", "i32", "buffer", "buffer", "usize"],
    result: "i32",
  },
  statx: {
    name: "syscall",
    parameters: ["i64", "i32", "buffer", "i32", "u32", "buffer"],
    result: "i32",
  },
  mknodat: {
    name: "syscall",
    parameters: ["i64", "i32", "buffer", "u32", "u64"],
    result: "i32",
  },
  getdents64: { name: "syscall", parameters: ["i64", "i32", "buffer", "usize"], result: "i32" },
  fsopen: { name: "syscall", parameters: ["i64", "buffer", "u32"], result: "i32" },
  fsconfig: {
    name: "syscall",
    parameters: ["i64", "i32", "u32", "buffer", "buffer", "i32"],
    result: "i32",
  },
  fsmount: { name: "syscall", parameters: ["i64", "i32", "u32", "u32"], result: "i32" },
  moveMount: {
    name: "syscall",
    parameters: ["i64", "i32", "buffer", "i32", "buffer", "u32"],
    result: "i32",
  },
  openTree: { name: "syscall", parameters: ["i64", "i32", "buffer", "u32"], result: "i32" },
  mountSetattr: {
    name: "syscall",
    parameters: ["i64", "i32", "buffer", "u32", "buffer", "usize"],
    result: "i32",
  },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

/** System call numbers and open flags that differ between architectures. */
export interface LinuxAbi {
  readonly statx: bigint;
  readonly mknodat: bigint;
  readonly getdents64: bigint;
  readonly openDirectory: number;
  readonly openNoFollow: number;
}

// From the kernel's asm-generic/fcntl.h and unistd tables; aarch64 swaps the two flags.
const ABI: Readonly<Partial<Record<typeof Deno.build.arch, LinuxAbi>>> = {
  "x86_64": {
    statx: 332n,
    mknodat: 259n,
    getdents64: 217n,
    openDirectory: 0o200000,
    openNoFollow: 0o400000,
  },
  aarch64: {
    statx: 291n,
    mknodat: 33n,
    getdents64: 61n,
    openDirectory: 0o40000,
    openNoFollow: 0o100000,
  },
};

type Symbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** The C library, and constants that depend on the architecture. */
export interface NativeLibc extends Disposable {
  readonly abi: LinuxAbi;
  readonly symbols: Symbols;
  /** Returns the error number of the last failed call. Call it before any other function. */
  errno(): number;
  /** Compiles all functions now rather than when they have been called often. */
  compile(): void;
}

/** The functions of a loaded library. */
interface Library extends Pick<NativeLibc, "symbols" | "compile"> {
  close(): void;
}

/** The loaded library, and the number of its users. */
let shared: { readonly library: Library; users: number } | undefined;

/**
 * Opens the C library. All users share one instance, because loading it takes milliseconds.
 *
 * @returns The library, or the reason why it is not available.
 */
export function openLibc(): NativeLibc | string {
  if (Deno.build.os !== "linux") return "the native backend requires Linux";
  const abi = ABI[Deno.build.arch];
  if (abi === undefined) return `the native backend does not support ${Deno.build.arch}`;
  if (shared === undefined) {
    const library = loadLibrary();
    if (typeof library === "string") return library;
    shared = { library, users: 0 };
  }
  shared.users++;
  return wrap(shared.library, abi);
}

/**
 * Keeps the native backend loaded until the result is disposed of: loading it takes milliseconds.
 * Does nothing if it is not available.
 *
 * @returns A handle to dispose of.
 */
export function keepNativeBackend(): Disposable {
  const libc = openLibc();
  return typeof libc === "string" ? { [Symbol.dispose]() {} } : libc;
}

function loadLibrary(): Library | string {
  // glibc and musl
  const names = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`];
  // Without this check, dlopen would prompt on a terminal.
  const granted = names.filter((path) => isGranted({ name: "ffi", path }));
  if (granted.length === 0) return "it needs --allow-ffi";
  for (const path of granted) {
    const library = tryOpen(path);
    if (library !== undefined) return library;
  }
  return `none of ${granted.join(", ")} could be opened`;
}

function tryOpen(path: string): Library | undefined {
  try {
    return bindLate(path, Deno.dlopen(path, ADDRESSES));
  } catch {
    // The system has another libc. The caller reports it if none can be opened.
    return undefined;
  }
}

/**
 * The addresses of all functions. A library without `errno` is not a libc; other functions may be
 * missing.
 */
const ADDRESSES: Readonly<Record<string, Deno.ForeignStatic>> = Object.fromEntries(
  Object.entries(SYMBOLS).map(([name, declaration]) => {
    const symbol = "name" in declaration ? declaration.name : name;
    return [name, { name: symbol, type: "pointer", optional: symbol !== "__errno_location" }];
  }),
);

/**
 * Number of calls after which compiling a function pays off. Deno takes 7 ms to compile the first
 * one and half a millisecond for each other one; calling an address takes 3 µs longer per call.
 */
const CALLS_BEFORE_COMPILATION = 100;

type NativeFunction = (...values: unknown[]) => unknown;

/**
 * Binds each function on first use, because a command uses only a few of them. Functions are first
 * called by address, and compiled once they have been called often, as in an extraction.
 */
function bindLate(
  path: string,
  addresses: Deno.DynamicLibrary<typeof ADDRESSES>,
): Library {
  const opened: { close(): void }[] = [addresses];
  const symbols: Record<string, unknown> = {};
  const define = (name: string, value: NativeFunction) => {
    Object.defineProperty(symbols, name, { value, configurable: true });
    return value;
  };
  const compile = (name: string, declaration: Deno.ForeignFunction) => {
    const library = Deno.dlopen(path, { [name]: declaration });
    opened.push(library);
    return define(name, library.symbols[name] as NativeFunction);
  };
  const bind = (name: string, declaration: Deno.ForeignFunction) => {
    const address = addresses.symbols[name] as Deno.PointerValue<Deno.ForeignFunction> | undefined;
    // `dlopen()` reports what is missing. A nonblocking function has no trampoline, so there is
    // nothing to postpone.
    if (!address || declaration.nonblocking) return compile(name, declaration);
    const pointer = new Deno.UnsafeFnPointer(address, declaration);
    let calls = 0;
    return define(name, (...values) => {
      if (++calls > CALLS_BEFORE_COMPILATION) return compile(name, declaration)(...values);
      return pointer.call(...values as Parameters<typeof pointer.call>);
    });
  };
  for (const [name, declaration] of Object.entries(SYMBOLS)) {
    Object.defineProperty(symbols, name, {
      configurable: true,
      get: () => bind(name, declaration),
    });
  }
  return {
    symbols: symbols as Symbols,
    close: () => opened.forEach((library) => library.close()),
    compile() {
      for (const [name, declaration] of Object.entries(SYMBOLS)) compile(name, declaration);
    },
  };
}

function wrap(library: Library, abi: LinuxAbi): NativeLibc {
  const location = library.symbols.__errno_location();
  if (location === null) throw new TypeError("Cannot find errno: the C library has none");
  const errno = new Deno.UnsafePointerView(location);
  let isOpen = true;
  return {
    abi,
    symbols: library.symbols,
    errno: () => errno.getInt32(),
    compile: () => library.compile(),
    [Symbol.dispose]() {
      if (!isOpen) return;
      isOpen = false;
      if (shared === undefined || --shared.users > 0) return;
      shared.library.close();
      shared = undefined;
    },
  };
}
