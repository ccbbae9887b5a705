package exchange

// hostsPath is where the DNS client service looks.
const hostsPath = `C:\Windows\System32\drivers\etc\hosts`
