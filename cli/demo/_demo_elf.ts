/** The architectures for which the demo's program exists. */
export type DemoArchitecture = "amd64" | "arm64";

/** Address to map the file at; any common address works. */
const BASE_ADDRESS = 0x400000n;
const ELF_HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
const CODE_OFFSET = ELF_HEADER_SIZE + PROGRAM_HEADER_SIZE;
/** `e_machine`, the processor that an ELF file is for. */
const MACHINES: Readonly<Record<DemoArchitecture, number>> = { amd64: 62, arm64: 183 };

/**
 * Assembles a minimal Linux program: a static executable that writes a text to stdout and exits
 * with 0. It needs no library, loader or file.
 *
 * The file is an ELF header, one program header, the code and the text, all in one segment that is
 * mapped readable and executable.
 *
 * @param text Text to write, fewer than 65536 bytes in UTF-8.
 * @returns The bytes of the executable file.
 */
export function demoProgram(architecture: DemoArchitecture, text: string): Uint8Array<ArrayBuffer> {
  const message = new TextEncoder().encode(text);
  if (message.length > 0xffff) {
    throw new RangeError(
      `Cannot assemble a program that writes more than 65535 bytes: it would write ${message.length}`,
    );
  }
  const code = architecture === "amd64" ? amd64Code(message.length) : arm64Code(message.length);
  const file = new Uint8Array(CODE_OFFSET + code.length + message.length);
  writeElfHeader(file, MACHINES[architecture]);
  writeProgramHeader(file);
  file.set(code, CODE_OFFSET);
  file.set(message, CODE_OFFSET + code.length);
  return file;
}

function writeElfHeader(file: Uint8Array<ArrayBuffer>, machine: number): void {
  const view = new DataView(file.buffer);
  // Magic, 64-bit, little-endian, version 1, System V.
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
  view.setUint16(16, 2, true); // e_type: an executable at a fixed address
  view.setUint16(18, machine, true); // e_machine
  view.setUint32(20, 1, true); // e_version
  view.setBigUint64(24, BASE_ADDRESS + BigInt(CODE_OFFSET), true); // e_entry
  view.setBigUint64(32, BigInt(ELF_HEADER_SIZE), true); // e_phoff
  view.setUint16(52, ELF_HEADER_SIZE, true); // e_ehsize
  view.setUint16(54, PROGRAM_HEADER_SIZE, true); // e_phentsize
  view.setUint16(56, 1, true); // e_phnum
}

function writeProgramHeader(file: Uint8Array<ArrayBuffer>): void {
  const view = new DataView(file.buffer, ELF_HEADER_SIZE, PROGRAM_HEADER_SIZE);
  view.setUint32(0, 1, true); // p_type: loaded into memory
  view.setUint32(4, 5, true); // p_flags: readable and executable
  view.setBigUint64(16, BASE_ADDRESS, true); // p_vaddr
  view.setBigUint64(24, BASE_ADDRESS, true); // p_paddr
  view.setBigUint64(32, BigInt(file.length), true); // p_filesz
  view.setBigUint64(40, BigInt(file.length), true); // p_memsz
  view.setBigUint64(48, 0x10000n, true); // p_align: the largest page of the two processors
}

/** `write(1, text, size); exit(0)`, where the text follows the code. */
function amd64Code(size: number): Uint8Array {
  const [low, high] = [size & 0xff, size >> 8];
  return Uint8Array.of(
    ...[0xb8, 1, 0, 0, 0], // mov eax, 1 (write)
    ...[0xbf, 1, 0, 0, 0], // mov edi, 1 (standard output)
    ...[0x48, 0x8d, 0x35, 16, 0, 0, 0], // lea rsi, [rip + 16]: 16 bytes of code are left
    ...[0xba, low, high, 0, 0], // mov edx, size
    ...[0x0f, 0x05], // syscall
    ...[0xb8, 60, 0, 0, 0], // mov eax, 60 (exit)
    ...[0x31, 0xff], // xor edi, edi
    ...[0x0f, 0x05], // syscall
  );
}

/** The same for arm64, whose instructions are 32 bits each. */
function arm64Code(size: number): Uint8Array {
  const instructions = [
    movz(0, 1), // standard output
    adr(1, 28), // the text: 28 bytes, this and six more instructions, from here
    movz(2, size),
    movz(8, 64), // write
    SVC,
    movz(0, 0),
    movz(8, 93), // exit
    SVC,
  ];
  const code = new DataView(new ArrayBuffer(instructions.length * 4));
  instructions.forEach((instruction, i) => code.setUint32(i * 4, instruction, true));
  return new Uint8Array(code.buffer);
}

/** `svc #0`: a call of the kernel. */
const SVC = 0xd4000001;

/** `movz xREGISTER, #VALUE`: a 16-bit number into a register. */
function movz(register: number, value: number): number {
  return (0xd2800000 | value << 5 | register) >>> 0;
}

/**
 * `adr xREGISTER, OFFSET`: an address, relative to this instruction, for offsets in whole words.
 */
function adr(register: number, offset: number): number {
  return (0x10000000 | (offset >> 2) << 5 | register) >>> 0;
}
