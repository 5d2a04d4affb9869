/** Prints a line. */
export async function write(line: string, to: typeof Deno.stdout = Deno.stdout): Promise<void> {
  await new Blob([`${line}\n`]).stream().pipeTo(to.writable, { preventClose: true });
}
