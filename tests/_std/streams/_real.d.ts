export interface LimitedBytesTransformStreamOptions {
  error?: boolean;
}

export class LimitedBytesTransformStream
  extends TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  constructor(size: number, options?: LimitedBytesTransformStreamOptions);
}

export class TextLineStream extends TransformStream<string, string> {
  constructor(options?: { allowCR?: boolean });
}

export function toArrayBuffer(stream: ReadableStream<Uint8Array>): Promise<ArrayBuffer>;
export function toJson(stream: ReadableStream<Uint8Array | string>): Promise<unknown>;
export function toText(stream: ReadableStream<Uint8Array | string>): Promise<string>;
export function concatReadableStreams<T>(...streams: ReadableStream<T>[]): ReadableStream<T>;
export function mergeReadableStreams<T>(...streams: ReadableStream<T>[]): ReadableStream<T>;
