/** Output of a program that has ended. */
export interface ProgramOutput {
  /** Whether its exit code is 0. */
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
  /** The last line of stderr, which usually says why a program failed. */
  readonly lastLine: string;
}

/**
 * Runs a program without input until it ends.
 *
 * @param cwd Its working directory. No program can start in a directory that this user may not
 * enter, such as that of this process after `sudo -u`.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  cwd = "/",
): Promise<ProgramOutput> {
  const command = new Deno.Command(program, {
    args: [...args],
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const output = await command.output();
  const [stdout = "", stderr = ""] = [output.stdout, output.stderr]
    .map((bytes) => new TextDecoder().decode(bytes).trim());
  return { success: output.success, stdout, stderr, lastLine: stderr.split("\n").at(-1) ?? "" };
}
