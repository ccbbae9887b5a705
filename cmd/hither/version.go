package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// buildVersion is what the go command wrote into the program.
type buildVersion struct {
	Version  string `json:"version"`            // the module's, or devel
	Revision string `json:"revision,omitempty"` // of the sources; empty if it was built without them
	Modified bool   `json:"modified,omitempty"` // the sources had changes
	Go       string `json:"go"`
	System   string `json:"system"` // GOOS/GOARCH
}

func readVersion() buildVersion {
	v := buildVersion{Version: "devel", Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			v.Revision = setting.Value
		case "vcs.modified":
			v.Modified = setting.Value == "true"
		}
	}
	return v
}

// version is the short answer, for protocols.
func version() string { return readVersion().Version }

// String is one line without an end.
func (v buildVersion) String() string {
	text := "hither " + v.Version
	if v.Revision != "" {
		text += " " + v.Revision[:min(12, len(v.Revision))]
	}
	if v.Modified {
		text += " with changes"
	}
	return fmt.Sprintf("%s (%s, %s)", text, v.Go, v.System)
}

func (a *app) version() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Say which Hither this is",
		Args:  arguments(0, 0),
		// A broken configuration must not hide the version that is asked for in every report.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return a.printJSON(readVersion())
			}
			fmt.Fprintln(a.out, readVersion())
			return nil
		},
	}
	addJSONFlag(c, &asJSON)
	return c
}
