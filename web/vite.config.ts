import react from '@vitejs/plugin-react'
import type { HtmlTagDescriptor, Plugin } from 'vite'
import { defineConfig } from 'vitest/config'
import { checkoutEn } from './src/messages/checkout.en.ts'
import { en, type Message } from './src/messages/en.ts'
import { staffEn } from './src/messages/staff.en.ts'

/**
 * What the first paint needs, and what is needed right after it, is asked for with the page: the text font, so that nothing
 * moves, and the scripts that src/start.ts imports once the page is painted.
 */
function preloaded(): Plugin {
  return {
    name: 'quire-preloaded',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler: (_html, { bundle = {} }) => {
        const files = Object.values(bundle)
        const font = files.find((each) => /newsreader-latin-wght-normal.*\.woff2$/.test(each.fileName))
        const main = files.find((each) => each.type === 'chunk' && each.facadeModuleId?.endsWith('/src/main.tsx'))
        if (!font || main?.type !== 'chunk') throw new Error('the build has no text font, or no main.tsx')
        const entry = files.find((each) => each.type === 'chunk' && each.isEntry)
        const scripts = [main.fileName, ...main.imports].filter((name) => name !== entry?.fileName)
        return [
          link({ rel: 'preload', as: 'font', type: 'font/woff2', href: `/${font.fileName}`, crossorigin: '' }),
          ...scripts.map((name) => link({ rel: 'preload', as: 'script', href: `/${name}`, crossorigin: '', fetchpriority: 'low' })),
        ]
      },
    },
  }
}

/** The texts of the page that stands before any script, and all texts for the edge, which writes pages too. */
function texts(): Plugin {
  const all: Record<string, Message> = { ...en, ...checkoutEn, ...staffEn }
  const plain = Object.entries(all).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return {
    name: 'quire-texts',
    transformIndexHtml: {
      order: 'pre',
      handler: (html) =>
        html.replace(/%([a-z]+\.[a-zA-Z]+)%/g, (_, key: string) => {
          const text = all[key]
          if (typeof text !== 'string' || /[&<>"]/.test(text)) throw new Error(`index.html needs a plain text ${key}`)
          return text
        }),
    },
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'texts.json', source: JSON.stringify(Object.fromEntries(plain)) })
    },
  }
}

function link(attrs: Record<string, string>): HtmlTagDescriptor {
  return { tag: 'link', attrs, injectTo: 'head' }
}

/** Where `npm run dev` finds the API. */
const api = process.env.QUIRE_URL ?? 'http://127.0.0.1:8000'

export default defineConfig({
  plugins: [react(), texts(), preloaded()],
  server: { port: 5173, proxy: { '/v1': api, '/docs': api, '/health': api } },
  // Inlined files would be data: URLs, which the Content-Security-Policy does not let in.
  build: {
    assetsInlineLimit: 0,
    target: 'es2022',
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // What every page needs is one file: cut into many it would be larger, and one more thing to wait for.
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: 'base', test: /node_modules|src\/(api|cart|session|kept|i18n|messages\/en\.ts|ui\/(page|missing|books))/ }] } },
    },
  },
  test: { environment: 'jsdom', include: ['src/**/*.test.ts', 'src/**/*.test.tsx'] },
})
