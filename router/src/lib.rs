//! Routers: qrouter namespaces with their interfaces, routes and address translation.
