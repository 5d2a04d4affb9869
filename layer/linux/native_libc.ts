const SYMBOLS = {
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "i32" },
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
  // Writes to the disk for as long as that takes, so not on the main thread.
  syncfs: { parameters: ["i32"], result: "i32", nonblocking: true },
  // These have no wrapper in every libc: statx came to musl in 1.2.5, mknodat to glibc in 2.33.
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

// From the kernel's asm-generic/fcntl.h and unistd tables; aarch64 swaps the two flags' places.
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

/** Names of the C library: glibc's, then musl's. */
const LIBRARIES: readonly string[] = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`];

/** The C library, and what of the kernel's interface depends on the architecture. */
export interface NativeLibc extends Disposable {
  readonly abi: LinuxAbi;
  readonly symbols: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
  /** Why the call before failed. To be read before anything else is done. */
  errno(): number;
}

/** The library while anybody uses it. */
let shared: { readonly library: Deno.DynamicLibrary<typeof SYMBOLS>; users: number } | undefined;

/**
 * Opens the C library. However many have it open at a time, it is loaded once: to compile the
 * ways into it takes some milliseconds.
 *
 * @returns The library, or why there is none, as the end of a sentence.
 */
export function openLibc(): NativeLibc | string {
  if (Deno.build.os !== "linux") return "the native backend is for Linux alone";
  const abi = ABI[Deno.build.arch];
  if (abi === undefined) return `the native backend does not know ${Deno.build.arch}`;
  if (shared === undefined) {
    const library = loadLibrary();
    if (typeof library === "string") return library;
    shared = { library, users: 0 };
  }
  shared.users++;
  return wrap(shared.library, abi);
}

function loadLibrary(): Deno.DynamicLibrary<typeof SYMBOLS> | string {
  // Never dlopen without asking first: on a terminal it would prompt.
  const granted = LIBRARIES.filter((path) =>
    Deno.permissions.querySync({ name: "ffi", path }).state === "granted"
  );
  if (granted.length === 0) return "it needs --allow-ffi";
  for (const path of granted) {
    const library = tryOpen(path);
    if (library !== undefined) return library;
  }
  return `none of ${granted.join(", ")} could be opened`;
}

function tryOpen(path: string): Deno.DynamicLibrary<typeof SYMBOLS> | undefined {
  try {
    return Deno.dlopen(path, SYMBOLS);
  } catch {
    // The other libc's name, or a libc that lacks a function: the caller says so.
    return undefined;
  }
}

function wrap(library: Deno.DynamicLibrary<typeof SYMBOLS>, abi: LinuxAbi): NativeLibc {
  const location = library.symbols.__errno_location();
  if (location === null) throw new TypeError("Cannot find errno: the C library has none");
  const errno = new Deno.UnsafePointerView(location);
  let isOpen = true;
  return {
    abi,
    symbols: library.symbols,
    errno: () => errno.getInt32(),
    [Symbol.dispose]() {
      if (!isOpen) return;
      isOpen = false;
      release();
    },
  };
}

function release(): void {
  if (shared === undefined || --shared.users > 0) return;
  shared.library.close();
  shared = undefined;
}
