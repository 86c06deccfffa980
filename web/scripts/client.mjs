// The API client's types, made from the OpenAPI document of a running shop:
//   npm run client                 writes src/api/schema.d.ts from QUIRE_URL (http://127.0.0.1:8000)
//   npm run client -- FILE         ... from a file, or from standard input where that is -
//   npm run client -- FILE --check says whether src/api/schema.d.ts is what FILE makes
import { readFile, writeFile } from 'node:fs/promises'
import openapiTS, { astToString } from 'openapi-typescript'

const target = new URL('../src/api/schema.d.ts', import.meta.url)
const [file, check] = process.argv.slice(2)

async function document() {
  if (file) return JSON.parse(await readFile(file === '-' ? '/dev/stdin' : file, 'utf8'))
  const url = `${process.env.QUIRE_URL ?? 'http://127.0.0.1:8000'}/docs/openapi.json`
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  return response.json()
}

/** The same document, whatever order its parts came in. */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]))
}

const head = '// Made by `npm run client` from the OpenAPI document. Not edited by hand.\n'
const text = head + astToString(await openapiTS(sorted(await document())))
if (check === '--check') {
  if ((await readFile(target, 'utf8')) !== text) {
    console.error('web/src/api/schema.d.ts is not what the OpenAPI document makes: run `make client`')
    process.exit(1)
  }
} else {
  await writeFile(target, text)
}
