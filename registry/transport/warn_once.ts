type Warner = (message: string) => void;

const WARNERS = new WeakMap<Warner, Warner>();

/** Returns a callback that passes each distinct message to `onWarning` once. */
export function warnOnce(onWarning: Warner | undefined): Warner | undefined {
  if (onWarning === undefined) return undefined;
  let warner = WARNERS.get(onWarning);
  if (warner === undefined) {
    const told = new Set<string>();
    warner = (message) => {
      if (told.has(message)) return;
      told.add(message);
      onWarning(message);
    };
    WARNERS.set(onWarning, warner);
  }
  return warner;
}
