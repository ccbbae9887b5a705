package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) why() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "why URL",
		Short: "Say what Hither would do with a URL, what it keeps for it, and where that came from",
		Example: "  hither why https://registry.npmjs.org/express\n" +
			"  hither why /go/golang.org/x/mod/@v/list\n" +
			"  hither why registry-1.docker.io/v2/library/alpine/manifests/3.20",
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			target, err := completeURL(args[0])
			if err != nil {
				return usageError(c, err)
			}
			e, err := a.client().Why(c.Context(), target)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(e)
			}
			fmt.Fprintln(a.out, strings.Join(e.Lines, "\n"))
			return nil
		},
	}
	addJSONFlag(c, &asJSON)
	return c
}

// completeURL adds the https:// that people leave out. A path alone is one of our own gateways.
func completeURL(text string) (string, error) {
	if strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//") {
		return text, nil
	}
	full := text
	if !strings.Contains(full, "://") {
		full = "https://" + full
	}
	u, err := url.Parse(full)
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", fmt.Errorf("%q is no URL that Hither could be asked for: write it as https://HOST/PATH, or as a gateway path such as /go/…", text)
	}
	return full, nil
}
