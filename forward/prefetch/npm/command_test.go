package npm

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestWhatACommandNames is known wherever it is to be done: in a workspace, at the root of all, in another directory.
func TestWhatACommandNames(t *testing.T) {
	for command, want := range map[string]string{
		"pnpm add -w p@2": "p@2", "pnpm -w add p@2": "p@2", "pnpm add -wD p@2": "p@2", "pnpm add -Dw p@2": "p@2", "pnpm --workspace-root add p@2": "p@2",
		"pnpm --filter web add p@2": "p@2", "pnpm --filter=web add p@2": "p@2", "pnpm -F web add p@2": "p@2", "pnpm add p@2 --filter web": "p@2",
		"pnpm --dir web add p@2": "p@2", "pnpm -C web add p@2": "p@2", "pnpm -r add p@2": "p@2", "pnpm recursive add p@2": "p@2", "pn add p@2": "p@2", "pnx p@2": "p@2",
		"yarn workspace web add p@2": "p@2", "yarn add -W p@2": "p@2", "yarn -W add p@2": "p@2", "yarn --cwd web add p@2": "p@2", "yarn global add p@2": "p@2",
		"yarn workspaces foreach -A --include web up p@2": "p@2", "yarn npm info p@2": "p@2", "node /p/.yarn/releases/yarn-4.5.0.cjs add p@2": "p@2", "node /usr/lib/node_modules/yarn/lib/cli.js add p@2": "p@2",
		"bun --cwd web add p@2": "p@2", "bun pm view p@2 version": "p@2", "bunx --bun p@2 --help": "p@2", "npm -w web install p@2": "p@2",
		"pnpm create p@2 app": "create-p@2", "yarn create @s app": "@s/create@latest", "bun create @s@2": "@s/create@2", "bun c @s/p@2": "@s/create-p@2",
		"bun create user/repo": "", "pnpm --registry there add p@2": "p@2", "pnpm --whatever web add p@2": "", "node yarn-deduplicate add p@2": "", "node /tool/lib/cli.js add p@2": "",
		"pnpm --filter web": "", "pnpm -w": "", "yarn workspace web": "", "pnpm run add p@2": "", "yarn workspaces list": "",
	} {
		args := strings.Fields(command)
		var got []string
		for _, w := range named(readCommand(args), args) {
			got = append(got, fmt.Sprintf("%s@%s", w.name, w.text))
		}
		same(t, command, strings.ReplaceAll(strings.Join(got, " "), "@2.0.0", "@2"), want)
	}
}

// TestWhatACommandWantsToBeNew is all that it asks for, where it names nothing.
func TestWhatACommandWantsToBeNew(t *testing.T) {
	for command, want := range map[string]bool{
		"pnpm -r update": true, "pnpm --filter web update": true, "pnpm -wr up": true, "yarn upgrade-interactive": true, "yarn workspace web upgrade": true,
		"yarn workspaces foreach -A outdated": true, "pnpm --filter web install": false, "pnpm --filter update install": false, "yarn workspace outdated add p": false,
	} {
		same(t, command, new(News).Anew(strings.Fields(command)), want)
	}
}

// TestAnotherDirectoryMayHaveAnotherRegistry, which alone is to hear what is installed.
func TestAnotherDirectoryMayHaveAnotherRegistry(t *testing.T) {
	for _, command := range []string{"pnpm --dir web add p", "yarn --cwd web add p", "bun --cwd=web add p", "yarn workspace web add p", "yarn workspaces foreach -A add p", "pnpm -registry https://npm.corp.example add p"} {
		same(t, command, len(New(registry).Project("", strings.Fields(command))), 0)
	}
	for command, want := range map[string]string{"pnpm -F web add p": registry + "/p", "pnpm add -wD p": registry + "/p"} {
		if got := New(registry).Project("", strings.Fields(command)); len(got) != 1 || got[0].URL != want {
			t.Errorf("%s\n got %v\nwant %s", command, got, want)
		}
	}
}

// TestAnotherProgramInstallsNothing, though it has the name of a package manager among its arguments.
func TestAnotherProgramInstallsNothing(t *testing.T) {
	for command, want := range map[string]bool{
		"yarn": true, "node --no-warnings /usr/bin/yarn.js": true, "node /usr/lib/node_modules/corepack/dist/corepack.js yarn": true, "corepack yarn install": true,
		"curl -O https://registry.example/yarn/-/yarn-1.22.22.tgz": false, "wget https://registry.example/yarn-1.22.22.js": false, "node /usr/bin/ncu -u -p yarn": false, "node": false,
	} {
		same(t, command, readCommand(strings.Fields(command)).installs, want)
	}
}

// TestWhatIsAskedAheadIsOfTheKindThatTheClientAsksFor, which would not take the other.
func TestWhatIsAskedAheadIsOfTheKindThatTheClientAsksFor(t *testing.T) {
	for command, want := range map[string]string{"npm add p": full, "yarn add p": full, "pnpm add p": short, "bun add p": short} {
		wants := New(registry).Project("", strings.Fields(command))
		if len(wants) != 1 || !slices.Equal(wants[0].Accept, []string{want}) {
			t.Errorf("%s\n got %v\nwant one of %s", command, wants, want)
		}
	}
}
