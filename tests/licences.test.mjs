// The crates that the executable links: from crates.io, with licences that allow both of ours.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

// One list, here and for cargo-deny.
const [, list] = /^allow = \[([^\]]*)\]/m.exec(readFileSync(new URL('../deny.toml', import.meta.url), 'utf8'))
const ALLOWED = new Set([...list.matchAll(/"([^"]+)"/g)].map(([, name]) => name))

const metadata = JSON.parse(execFileSync('cargo', ['metadata', '--format-version=1', '--locked'],
    { cwd: new URL('..', import.meta.url), maxBuffer: 1 << 28 }))

function linked() {
    const nodes = new Map(metadata.resolve.nodes.map(node => [node.id, node]))
    const found = new Set()
    const ahead = [metadata.resolve.root]
    while (ahead.length > 0) {
        const id = ahead.pop()
        if (found.has(id))
            continue
        found.add(id)
        for (const { pkg, dep_kinds: kinds } of nodes.get(id).deps)
            if (kinds.some(({ kind }) => kind === null))
                ahead.push(pkg)
    }
    return metadata.packages.filter(({ id, source }) => found.has(id) && source !== null)
}

// An expression of SPDX without parentheses inside of parentheses, which is all that crates have.
function isAllowed(expression) {
    const words = expression.replaceAll('/', ' OR ')
    return words.split(/\s+AND\s+(?![^(]*\))/).every(part =>
        part.replaceAll(/[()]/g, '').split(/\s+OR\s+/).some(one => one.split(/\s+AND\s+/).every(name => ALLOWED.has(name.trim()))))
}

test('linked crates come from crates.io', () => {
    const elsewhere = linked().filter(({ source }) => source !== 'registry+https://github.com/rust-lang/crates.io-index')
    assert.deepEqual(elsewhere.map(({ name, source }) => `${name}: ${source}`), [])
})

test('linked crates have licences that may be combined with ours', () => {
    const packages = linked()
    assert.ok(packages.length > 30, `${packages.length} crates`)
    const refused = packages.filter(({ license }) => !isAllowed(license ?? 'none'))
    assert.deepEqual(refused.map(({ name, version, license }) => `${name} ${version}: ${license}`), [])
})
