"""iPhones and iPads, by Xcode's devicectl: found and described; what executes files there is an app."""
