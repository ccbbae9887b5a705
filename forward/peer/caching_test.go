package peer

import (
	"strings"
	"testing"
)

// npm reads its variables in any letters, and takes nothing of them for a secret of ours.
func TestOfAnEnvironmentOnlyWhatTellsOfPackagesIsKept(t *testing.T) {
	const want = "NPM_CONFIG_@corp:REGISTRY=a Npm_Config_Registry=b npm_config_workspaces=c npm_config_dry_run=d GOPROXY=e"
	environment := strings.Fields(want + " npm_config_//npm.corp.example/:_authToken=x NPM_TOKEN=x npm_config__auth=x npm_config_cache= GOPROXYX=x")
	if got := strings.Join(caching(environment), " "); got != want {
		t.Errorf("kept\n got %s\nwant %s", got, want)
	}
}
