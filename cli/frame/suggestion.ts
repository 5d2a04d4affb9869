/** More edits than these make another word. */
const MAX_EDITS = 3;
/** How much of a word must be right: two words of four letters have much in common by chance. */
const MIN_SIMILARITY = 0.4;

/**
 * Guesses what a mistyped word was meant to be.
 *
 * @param word A name, or a long flag.
 * @param known The names or flags that there are.
 * @returns A question, such as `did you mean --platform?`; none if nothing is similar.
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
 * Counts the edits that make one word of another: a letter more, a letter less, another letter,
 * or two neighbours that change places. More than `most` are infinitely many.
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
