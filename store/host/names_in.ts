/** Lists the names in a directory; none if it does not exist. */
export async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await Array.fromAsync(Deno.readDir(directory), ({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
