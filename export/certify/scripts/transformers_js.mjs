// transformers.js under Node: node transformers_js.mjs ENVIRONMENT REQUEST RESULT
// ENVIRONMENT holds node_modules; REQUEST and RESULT are as harness.py has them.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';

const WARMUP_TEXTS = 8;
const [environment, requestPath, resultPath] = process.argv.slice(2);
const request = JSON.parse(readFileSync(requestPath, 'utf-8'));
const { env, pipeline, AutoModel, AutoTokenizer } = createRequire(join(environment, 'package.json'))('@huggingface/transformers');

const versionOf = (name) =>
    JSON.parse(readFileSync(join(environment, 'node_modules', name, 'package.json'), 'utf-8')).version;

env.allowRemoteModels = false;
env.localModelPath = dirname(request.folder);
const options = {
    device: 'cpu',
    session_options: { intraOpNumThreads: request.threads, interOpNumThreads: 1 },
};
const name = basename(request.folder);

// the pipeline pools the token states; a vector that is made in another way is an output of the graph itself
async function pooled() {
    const extract = await pipeline('feature-extraction', name, options);
    return (texts) => extract(texts, { pooling: request.pooling, normalize: true });
}

async function whole() {
    const tokenizer = await AutoTokenizer.from_pretrained(name);
    const model = await AutoModel.from_pretrained(name, options);
    return async (texts) => {
        const inputs = tokenizer(texts, { padding: true, truncation: true });
        return (await model(inputs)).sentence_embedding;
    };
}

const embed = await (request.pooling ? pooled() : whole());

async function encode(texts, batchSize) {
    const rows = [];
    for (let start = 0; start < texts.length; start += batchSize) {
        rows.push(Float32Array.from((await embed(texts.slice(start, start + batchSize))).data));
    }
    return rows;
}

const given = [];
for (const group of request.groups) {
    const texts = request.texts.slice(given.length, given.length + group.count);
    given.push(...texts.map((text) => group.prompt + text));
}

for (const text of request.timed.slice(0, WARMUP_TEXTS)) await encode([text], 1);
let started = performance.now();
let vectors = await encode(given, request.batch_size);
const seconds = (performance.now() - started) / 1e3;
const latencies = [];
for (const text of request.timed) {
    started = performance.now();
    await encode([text], 1);
    latencies.push(performance.now() - started);
}
if (request.alone) vectors = await encode(given, 1);
writeFileSync(request.vectors, Buffer.concat(vectors.map((rows) => Buffer.from(rows.buffer))));
latencies.sort((a, b) => a - b);
const middle = latencies.length >> 1;
const result = {
    versions: {
        '@huggingface/transformers': versionOf('@huggingface/transformers'),
        'onnxruntime-node': versionOf('onnxruntime-node'),
        node: process.versions.node,
    },
    ms_per_text:
        latencies.length % 2 ? latencies[middle] : (latencies[middle - 1] + latencies[middle]) / 2,
    texts_per_second: request.texts.length / seconds,
};
writeFileSync(resultPath, JSON.stringify(result));
