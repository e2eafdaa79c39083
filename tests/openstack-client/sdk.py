"""What programs do with openstacksdk, against an API that has no objects yet. Fails at the first surprise."""

import openstack
from openstack import exceptions

cloud = openstack.connect(auth_type="none", auth={"endpoint": "http://127.0.0.1:9696/"})
network = cloud.network


def refused(kind, words, call, *arguments, **options):
    """The call is refused with this exception, in these words."""
    try:
        call(*arguments, **options)
    except kind as refusal:
        assert words in str(refusal), refusal
        return
    raise AssertionError(f"{call} of {arguments} was not refused")


def names(found):
    return [one.name for one in found]


def lists():
    made = [network.create_network(name=f"n{number}", description="x" * number) for number in range(5)]
    assert names(network.networks()) == ["n0", "n1", "n2", "n3", "n4"]
    # The client follows the links from page to page.
    assert names(network.networks(limit=2)) == ["n0", "n1", "n2", "n3", "n4"]
    assert names(network.networks(limit=2, marker=made[1].id, paginated=False)) == ["n2", "n3"]
    assert names(network.networks(sort_key="name", sort_dir="desc", limit=3)) == ["n4", "n3", "n2", "n1", "n0"]
    assert names(network.networks(name="n3")) == ["n3"]
    assert names(network.networks(name=["n3", "n1"])) == ["n1", "n3"]
    assert names(network.networks(is_router_external=True)) == []
    (one,) = network.networks(name="n2", fields=["id", "name"])
    assert one.id == made[2].id and one.description is None
    network.delete_network(made[4])
    refused(exceptions.NotFoundException, made[4].id, lambda: list(network.networks(marker=made[4].id)))
    network.create_network(name="n3")
    refused(exceptions.DuplicateResource, "n3", network.find_network, "n3")
    for one in network.networks():
        network.delete_network(one, ignore_missing=False)
    assert list(network.networks()) == []


def tags():
    red = network.create_network(name="red")
    subnet = network.create_subnet(name="red4", network_id=red.id, ip_version=4, cidr="10.1.0.0/24")
    port = network.create_port(name="a1", network_id=red.id)
    router = network.create_router(name="r1")
    for one in red, subnet, port, router:
        network.set_tags(one, ["b", "a"])
    assert names(network.networks(tags="a,b")) == names(network.networks(any_tags="a,z")) == ["red"]
    assert names(network.routers(tags="a")) == ["r1"]
    assert names(network.ports(not_tags="a", device_owner="")) == []
    assert network.get_subnet(subnet.id).tags == network.get_port(port.id).tags == ["a", "b"]
    network.set_tags(network.get_router(router.id), [])
    assert network.get_router(router.id).tags == []
    for delete, one in (network.delete_router, router), (network.delete_port, port), (network.delete_network, red):
        delete(one, ignore_missing=False)
    refused(exceptions.NotFoundException, subnet.id, network.get_subnet, subnet.id)


def rules():
    red = network.create_network(name="red")
    pool = {"start": "10.1.0.10", "end": "10.1.0.99"}
    subnet = network.create_subnet(network_id=red.id, ip_version=4, cidr="10.1.0.0/24", gateway_ip=None, allocation_pools=[pool])
    assert subnet.gateway_ip is None
    router = network.create_router(name="r1")
    refused(exceptions.BadRequestException, "gateway IP", network.add_interface_to_router, router, subnet_id=subnet.id)
    refused(exceptions.ConflictException, "allocation pool", network.update_subnet, subnet.id, gateway_ip="10.1.0.50")
    network.update_subnet(subnet, gateway_ip="10.1.0.1")
    network.add_interface_to_router(router, subnet_id=subnet.id)
    refused(exceptions.ConflictException, "still has ports", network.delete_router, router)
    refused(exceptions.ConflictException, "IP allocation", network.delete_subnet, subnet)
    (interface,) = cloud.list_router_interfaces(router)
    refused(exceptions.ConflictException, "network:router_interface", network.delete_port, interface.id)
    refused(exceptions.NotFoundException, "Port", network.get_port, red.id)
    refused(exceptions.BadRequestException, "fixed_ips[0].ip_address", network.create_port, network_id=red.id,
            fixed_ips=[{"ip_address": "10.9.0.1"}])
    network.remove_interface_from_router(router, port_id=interface.id)
    network.delete_router(router)
    assert network.update_network(red.id, description="x").revision_number == network.get_network(red.id).revision_number > 1
    network.delete_network(red, ignore_missing=False)


def clouds():
    """The layer above, which knows neither paths nor bodies."""
    outside = cloud.create_network("outside", external=True, provider={"network_type": "flat", "physical_network": "public"})
    cloud.create_subnet(outside.id, cidr="203.0.113.0/24", subnet_name="outside4", enable_dhcp=False)
    inside = cloud.create_network("inside")
    subnet = cloud.create_subnet("inside", cidr="10.2.0.0/24", subnet_name="inside4", dns_nameservers=["9.9.9.9"])
    router = cloud.create_router("edge", ext_gateway_net_id=outside.id)
    cloud.add_router_interface(router, subnet_id=subnet.id)
    port = cloud.create_port(inside.id, name="web", fixed_ips=[{"subnet_id": subnet.id, "ip_address": "10.2.0.9"}])
    floating = network.create_ip(floating_network_id=outside.id, port_id=port.id)
    (found,) = cloud.list_floating_ips({"port_id": port.id})
    assert found.fixed_ip_address == "10.2.0.9" and found.router_id == router.id, found
    assert network.find_ip(floating.floating_ip_address).id == floating.id
    network.update_ip(floating, port_id=None)
    assert network.get_ip(floating.id).port_id is None
    cloud.delete_floating_ip(floating.id)
    cloud.remove_router_interface(router, subnet_id=subnet.id)
    cloud.update_router("edge", name="rand")
    for done in cloud.delete_router("rand"), cloud.delete_port("web"), cloud.delete_subnet("inside4"):
        assert done
    assert cloud.delete_network("inside") and cloud.delete_network("outside")


def what_is_not_there():
    aliases = {one.alias for one in network.extensions()}
    assert {"router", "external-net", "provider", "standard-attr-tag"} <= aliases, aliases
    assert "security-group" not in aliases
    for empty in network.agents, network.security_groups, network.subnet_pools, network.trunks, network.qos_policies:
        assert list(empty()) == [], empty
    assert network.find_subnet_pool("no-such") is None
    refused(exceptions.BadRequestException, "Security group", network.create_security_group, name="web")
    refused(exceptions.BadRequestException, "Subnet pool", network.create_subnet_pool, name="p", prefixes=["10.0.0.0/8"])
    quota = network.get_quota("demo")
    assert (quota.networks, quota.ports) == (-1, -1), quota


for part in lists, tags, rules, clouds, what_is_not_there:
    part()
    print(part.__name__, "passed", flush=True)
