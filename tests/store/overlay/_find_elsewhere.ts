// Prints the mounter that this process finds by the result in a store, and the one that a test finds.
import { findKernelMounter, tryKernel } from "../../../store/overlay/find_mounter.ts";

const [store = ""] = Deno.args;
const [recalled, tested] = [await findKernelMounter(store), await tryKernel(store)];
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ recalled, tested })));
