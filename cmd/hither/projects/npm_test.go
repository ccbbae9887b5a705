package projects

import (
	"path/filepath"
	"strings"
	"testing"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/hithertest"
	"hither/forward/peer"
)

// What npm's settings say of peers, and of what it leaves out, is told like an option, wherever npm's name stands.
func TestNpmsWordOnPeersIsPassedOn(t *testing.T) {
	for _, row := range []struct {
		npmrc string
		args  []string
		want  string
	}{
		{"legacy-peer-deps=true\n", []string{"npm install react", "", ""}, "npm --legacy-peer-deps install react||"},
		{"legacy-peer-deps\n", []string{"node", "/usr/bin/npm", "install", "--", "react"}, "node|/usr/bin/npm|--legacy-peer-deps|install|--|react"},
		{"legacy-peer-deps=true\n", []string{"npm", "ci", "--no-legacy-peer-deps"}, "npm|ci|--no-legacy-peer-deps"},
		{"omit=dev\n", []string{"npm", "ci"}, "npm|--omit=dev|ci"},
		{"omit=dev\n", []string{"npm", "ci", "--omit=dev"}, "npm|ci|--omit=dev"},
		{"omit=dev\n", []string{"npm", "ci", "--omit=peer"}, "npm|ci|--omit=peer"},
		{"include=dev\noptional=false\n", []string{"npm install", ""}, "npm --omit=optional install|"},
		{"include=dev\n", []string{"npm", "ci", "--omit=dev"}, "npm|--include=dev|ci|--omit=dev"},
		{"omit=${WHAT}\n", []string{"npm", "ci"}, "npm|ci"},
		{"legacy-peer-deps=false\n", []string{"npm", "ci"}, "npm|ci"},
		{"", []string{"npm", "ci"}, "npm|ci"},
		{"legacy-peer-deps=true\n", []string{"pnpm", "install"}, "pnpm|install"},
	} {
		dir := t.TempDir()
		hithertest.Write(t, filepath.Join(dir, "package.json"), []byte("{}"))
		hithertest.Write(t, filepath.Join(dir, ".npmrc"), []byte(row.npmrc))
		var p Finder
		at := p.place(peer.Process{Dir: dir, Args: row.args, Caching: []string{"HOME=" + t.TempDir()}})
		hithertest.Same(t, row.npmrc+strings.Join(row.args, " "), strings.Join(at.Args, "|"), row.want)
	}
}

// npm reads no project's file for what it does to the whole machine.
func TestGlobalCallsOfNpmAreKnown(t *testing.T) {
	for _, row := range []struct {
		command string
		env     environ.List
		want    bool
	}{
		{command: "npm ci"}, {command: "npm install -g x", want: true}, {command: "/usr/bin/npm --global ls", want: true}, {command: "npm.cmd --location=global ls", want: true},
		{command: "npm i --location global x", want: true}, {command: "npm i -gf x", want: true}, {command: "npm --silent -qg ls", want: true}, {command: "npm -g=true ls", want: true},
		{command: "npm --g ls", want: true}, {command: "npm --global=false ci"}, {command: "npm ci -reg https://x"}, {command: "npm ci -iwr"}, {command: "npm ci --ignore-scripts"},
		{command: "npm i global"}, {command: "npm run x -- -g"}, {command: "make -g"}, {command: "npm"},
		{command: "npm ci", env: []string{"npm_config_global=true"}, want: true}, {command: "npm ci", env: []string{"NPM_CONFIG_LOCATION=global"}, want: true},
	} {
		hithertest.Same(t, row.command, IsGlobalNpm(strings.Fields(row.command), row.env), row.want)
	}
}
