/** Maximum number of edits for a suggestion. */
const MAX_EDITS = 3;
/** Minimum share of matching letters: short words are similar by chance. */
const MIN_SIMILARITY = 0.4;

/**
 * Suggests corrections for a mistyped word.
 *
 * @param word Name or long flag.
 * @param known Existing names or flags.
 * @returns A question, such as `did you mean --platform?`; `undefined` if nothing is similar.
 */
export function suggest(word: string, known: readonly string[]): string | undefined {
  const prefix = word.startsWith("--") ? "--" : "";
  const typed = word.slice(prefix.length);
  const names = known.map((name) => name.slice(prefix.length)).filter(({ length }) => length > 1);
  const edits = new Map(names.map((name) => [name, countEdits(typed, name, MAX_EDITS)]));
  const isSimilar = (name: string, count: number) => {
    const { length } = name.length > typed.length ? name : typed;
    return (length - count) / length > MIN_SIMILARITY;
  };
  const similar = [...edits].filter(([name, count]) => isSimilar(name, count));
  const least = Math.min(...similar.map(([, count]) => count));
  const nearest = similar.filter(([, count]) => count === least).map(([name]) => prefix + name);
  if (nearest.length === 0) return undefined;
  return `did you mean ${nearest.sort().join(", ")}?`;
}

/**
 * Counts the edits between two words: an inserted, a deleted, a replaced letter,
 * or two adjacent letters swapped. Returns infinity for more than `most` edits.
 */
function countEdits(from: string, to: string, most: number): number {
  if (from === to) return 0;
  if (most === 0) return Infinity;
  if (from[0] === to[0]) return countEdits(from.slice(1), to.slice(1), most);
  const after = (removed: number, added: number) => {
    return 1 + countEdits(from.slice(removed), to.slice(added), most - 1);
  };
  const isSwapped = from.length > 1 && from[0] === to[1] && from[1] === to[0];
  return Math.min(after(1, 0), after(0, 1), after(1, 1), isSwapped ? after(2, 2) : Infinity);
}
