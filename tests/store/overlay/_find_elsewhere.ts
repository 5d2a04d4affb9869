// Prints which mounter a store recalls in this process, and which a test finds.
import { findKernelMounter, tryKernel } from "../../../store/overlay/find_mounter.ts";

const [store = ""] = Deno.args;
const [recalled, tested] = [await findKernelMounter(store), await tryKernel(store)];
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ recalled, tested })));
