package peer

import (
	"strings"
	"testing"
)

// npm reads its variables in any letters, and takes nothing of them for a secret of ours.
func TestOfAnEnvironmentOnlyWhatTellsOfPackagesIsKept(t *testing.T) {
	const want = "NPM_CONFIG_@corp:REGISTRY=a Npm_Config_Registry=b npm_config_workspaces=c npm_config_dry_run=d GOPROXY=e no_proxy=f NO_PROXY=g NPM_CONFIG_NOPROXY=h YARN_NPM_REGISTRY_SERVER=i BUN_CONFIG_REGISTRY=j pnpm_config_@corp:registry=k PNPM_CONFIG_USERCONFIG=l GOROOT=m npm_config_legacy_peer_deps=n npm_config_os=o npm_config_cpu=p npm_config_libc=q"
	environment := strings.Fields(want + " npm_config_//npm.corp.example/:_authToken=x NPM_TOKEN=x npm_config__auth=x HTTPS_PROXY=x YARN_NPM_AUTH_TOKEN=x pnpm_config_//npm.corp.example/:_authToken=x npm_config_cache= GOPROXYX=x")
	if got := strings.Join(caching(environment), " "); got != want {
		t.Errorf("kept\n got %s\nwant %s", got, want)
	}
}
