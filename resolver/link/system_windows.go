package link

import (
	"context"
	"slices"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// System reads the servers and suffixes of the adapters that are up, and the rules of the name resolution policy
// table, those of the domain before those of the machine.
func System(context.Context) ([]Link, error) {
	links := append(policy(`SOFTWARE\Policies\Microsoft\Windows NT\DNSClient\DnsPolicyConfig`),
		policy(`SYSTEM\CurrentControlSet\Services\Dnscache\Parameters\DnsPolicyConfig`)...)
	first, err := adapters()
	if err != nil {
		return links, err
	}
	for a := first; a != nil; a = a.Next {
		if a.OperStatus != windows.IfOperStatusUp || a.IfType == windows.IF_TYPE_SOFTWARE_LOOPBACK {
			continue
		}
		l := Link{Name: windows.UTF16PtrToString(a.FriendlyName), Default: true}
		for s := a.FirstDnsServerAddress; s != nil; s = s.Next {
			if at, ok := server(s); ok && !slices.Contains(l.Servers, at) {
				l.Servers = append(l.Servers, at)
			}
		}
		if suffix := windows.UTF16PtrToString(a.DnsSuffix); suffix != "" {
			l.Domains = append(l.Domains, suffix)
		}
		links = append(links, l)
	}
	return links, nil
}

// policy reads the rules below one key; none if it is not there.
func policy(path string) (links []Link) {
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, path, registry.ENUMERATE_SUB_KEYS)
	if err != nil {
		return nil
	}
	defer key.Close()
	ids, err := key.ReadSubKeyNames(Max)
	if err != nil && len(ids) == 0 {
		return nil
	}
	for _, id := range ids {
		if l, ok := rule(path+`\`+id, id); ok {
			links = append(links, l)
		}
	}
	return links
}

func rule(path, id string) (Link, bool) {
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, path, registry.QUERY_VALUE)
	if err != nil {
		return Link{}, false
	}
	defer key.Close()
	names, _, err := key.GetStringsValue("Name")
	if err != nil {
		return Link{}, false
	}
	servers, _, err := key.GetStringValue("GenericDNSServers")
	if err != nil {
		return Link{}, false
	}
	options, _, err := key.GetIntegerValue("ConfigOptions")
	if err != nil {
		return Link{}, false
	}
	return parseNRPT(id, names, servers, options)
}
